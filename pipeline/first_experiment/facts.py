"""Facts about prepared images, on which the choice of an experiment depends."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.storage.files import read_json


@dataclass(frozen=True)
class Facts:
    """The facts about one prepared data set."""

    format: str
    annotation: str  # "class", "label-map" or "objects"
    counts: dict[str, int]  # images of each split
    num_classes: int
    short_sides: tuple[int, int, int]  # pixels: smallest, median and largest shorter side
    decoded_gib: float  # all images as RGB bytes


def read_facts(directory: Path) -> Facts:
    """Read the facts from an artifact of `prepare`."""
    summary = read_json(directory / "summary.json")
    with open(directory / "manifest.csv", newline="", encoding="utf-8") as stream:
        sides = np.array(
            [(int(row["height"]), int(row["width"])) for row in csv.DictReader(stream)], np.int64
        )
    shorter = sides.min(axis=1)
    return Facts(
        format=summary["format"],
        annotation=summary["annotation"],
        counts=summary["counts"],
        num_classes=len(summary["class_names"]),
        short_sides=(int(shorter.min()), int(np.median(shorter)), int(shorter.max())),
        decoded_gib=float(3 * sides.prod(axis=1).sum() / 2**30),
    )
