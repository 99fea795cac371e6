"""Digest of a part of a prepared data set: equal where results belong together image by image."""

import csv
import hashlib
from pathlib import Path

import numpy as np

from pipeline.datasets.multilabel import read_label_sets
from pipeline.datasets.prepared import PreparedDataset
from pipeline.storage.files import sha256_of_json


def part_digest(directory: Path, part: str) -> str:
    """Digest of the images of a part in their order, of what they are labelled with, and of the class names.

    Where the images lie, what they are called and what the other parts hold does not enter it: outcomes of
    two data sets with equal digests belong to each other image by image.

    Args:
        directory: of the prepared data set.
        part: in the data set's own words, as in the rows of a table.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: it has no such part, or its files disagree.
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
    """What an image is labelled with besides its class."""
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
