"""Digest of a split of a prepared data set: equal if results can be paired image by image."""

import csv
import hashlib
from pathlib import Path

import numpy as np

from pipeline.datasets.multilabel import read_label_sets
from pipeline.datasets.prepared import PreparedDataset
from pipeline.storage.files import sha256_of_json


def part_digest(directory: Path, part: str) -> str:
    """Digest of a split's images in their order, of their labels, and of the class names.

    It does not depend on paths, file names and the other splits: outcomes on two splits with equal digests
    can be paired image by image.

    Args:
        directory: of the prepared data set.
        part: the split's original name, as in the rows of a table.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: it has no such split, or its files are inconsistent.
    """
    dataset = PreparedDataset.open(directory)
    splits = [split for split, name in dataset.split_names.items() if name == part]
    if not splits:
        raise ValueError(f"{directory}: no part {part!r}, only {sorted(dataset.split_names.values())}")
    total = hashlib.sha256(sha256_of_json([dataset.annotation, dataset.class_names, splits]).encode())
    with open(directory / "manifest.csv", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        for row, line in enumerate(csv.DictReader(stream)):
            if line["split"] in splits:
                total.update(f"{line['digest']} {line['label']} ".encode())
                total.update(_target(dataset, row))
    return total.hexdigest()


def _target(dataset: PreparedDataset, row: int) -> bytes:
    """An image's labels other than its class, as bytes."""
    if (label_sets := read_label_sets(dataset)) is not None:
        return label_sets[row].tobytes()
    if dataset.annotation == "label-map":
        labels = dataset.label_map(row)
        return repr(labels.shape).encode() + np.ascontiguousarray(labels, "<i2").tobytes()
    if dataset.annotation == "objects":
        found = dataset.objects(row)
        numbers = [found.boxes.tolist(), found.classes.tolist(), found.crowd.tolist(), found.areas.tolist()]
        return repr((*numbers, found.segments)).encode()
    return b""
