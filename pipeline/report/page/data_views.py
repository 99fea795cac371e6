"""The data on the page: counts, classes, duplicates, and images in quarantine."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets.channels.pictures import picture_words
from pipeline.datasets.decode import UndecodableImage, decode
from pipeline.datasets.multilabel import label_words
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.source import max_file_bytes
from pipeline.evaluate.overlays import samples
from pipeline.report.duplicates import DUPLICATES
from pipeline.report.page.charts.classes import class_balance
from pipeline.report.page.figures import Figure
from pipeline.report.page.thumbnails import data_address
from pipeline.storage.files import read_json

_MOST_CLASSES = 60  # per figure, to keep it readable
_MOST_QUARANTINED = 50
_SIDE = 72  # pixels of a thumbnail
_MOST_SIZES = 2000  # images whose sizes are read


@dataclass(frozen=True)
class LeftOut:
    """An image in quarantine."""

    path: str
    reason: str
    image: str | None  # data address of a thumbnail; None if it cannot be decoded


@dataclass(frozen=True)
class DuplicatePair:
    """Two images that are equal or near duplicates."""

    kind: str  # "equal" or "alike"
    similarity: float
    images: list[dict[str, str]]  # two, each with image, path, part and class
    same_class: bool  # True without classes


@dataclass(frozen=True)
class DataSummary:
    """One prepared data set."""

    name: str
    source: str
    counts: dict[str, int]  # images by split
    sizes: str  # text on the image sizes
    num_classes: int
    num_quarantined: int
    quarantine: list[LeftOut]  # the first of them
    balance: Figure | None  # class frequencies; None for many classes
    doubles: list[str] = field(default_factory=list)  # text on duplicates
    pairs: list[DuplicatePair] = field(default_factory=list)  # some duplicates
    compared: str = ""  # text on how images were compared
    class_sizes: str = ""  # text on class frequencies, for many classes
    pictures: str = ""  # text on how images with channels were turned into pictures


def data_summary(dataset: PreparedDataset, duplicates: Path | None, name: str | None = None) -> DataSummary:
    """Read the page's content on a data set.

    Args:
        duplicates: artifact of the stage `duplicates` for this data set.
        name: the experiment's name for it; None: the name it was prepared with.
    """
    summary, title = dataset.summary, name or dataset.summary["name"]
    unit = {"label-map": "pixels", "objects": "objects"}.get(summary["annotation"], "images")
    values = [
        {"class": name, "split": split, "count": count}
        for split, counts in summary.get("class_counts", {}).items()
        for name, count in zip(dataset.class_names, counts, strict=False)
    ]
    few = len(dataset.class_names) <= _MOST_CLASSES
    return DataSummary(
        name=title,
        source=str(summary["source"]),
        counts=summary["counts"],
        sizes=_sizes(dataset),
        num_classes=len(dataset.class_names),
        num_quarantined=summary["num_quarantined"],
        quarantine=_quarantine(dataset.directory / "quarantine.csv", summary),
        balance=class_balance(values, f"{unit} of {title}") if few else None,
        class_sizes="" if few else _class_sizes(values, unit),
        pictures=picture_words(tuple(summary["picture_channels"])) if dataset.has_channels else "",
        **({} if duplicates is None else _twice(dataset, read_json(duplicates / DUPLICATES))),
    )


def _class_sizes(values: list[dict[str, Any]], unit: str) -> str:
    """The training counts of the rarest, the median and the most frequent class, as text."""
    counts = sorted((each["count"], each["class"]) for each in values if each["split"] == "train")
    if not counts:
        return ""
    (least, rarest), (most, frequent) = counts[0], counts[-1]
    median = counts[len(counts) // 2][0]
    return f"{least} ({rarest}) to {most} ({frequent}) training {unit} a class, median {median}"


def _sizes(dataset: PreparedDataset) -> str:
    """Width x height in pixels of the smallest, the median and the largest image by area."""
    sizes = [dataset.size(row) for row in samples(np.arange(len(dataset)), _MOST_SIZES).tolist()]
    order = sorted(sizes, key=lambda size: size[0] * size[1])
    if not order:
        return "none"
    small, median, large = (f"{order[i][0]} x {order[i][1]}" for i in (0, len(order) // 2, -1))
    return small if len({*sizes}) == 1 else f"{small} to {large}, median {median}"


def _twice(dataset: PreparedDataset, found: Mapping[str, Any]) -> dict[str, Any]:
    total, compared = (sum(found[name].values()) for name in ("num_images", "num_compared"))
    of = f"{compared} of {total} images, evenly chosen" if compared < total else "all images"
    return {
        "doubles": [_text(entry) for entry in found["parts"]],
        "pairs": [_pair(dataset, entry) for entry in found["pairs"]],
        "compared": (
            f"Equal: the same file, of all images. Alike: 16 x 16 grey pixels that correlate "
            f"{found['similarity']:g} or more, of {of}."
        ),
    }


def _text(entry: Mapping[str, Any]) -> str:
    first, second = entry["parts"]
    told = [f"{entry[kind]} {kind}" for kind in ("equal", "alike") if entry[kind]]
    where = f"within {first}" if first == second else f"{first} images that are in {second} too"
    return f"{where}: {', '.join(told)}"


def _pair(dataset: PreparedDataset, entry: Mapping[str, Any]) -> DuplicatePair:
    labels = [label_words(dataset, row) for row in entry["rows"]]
    images = [
        {
            "image": data_address(dataset.picture(row, at_least=_SIDE), _SIDE),
            "path": dataset.path(row),
            "part": part,
            "class": label or "",
        }
        for row, part, label in zip(entry["rows"], entry["parts"], labels, strict=True)
    ]
    return DuplicatePair(entry["kind"], entry["similarity"], images, None in labels or labels[0] == labels[1])


def _quarantine(path: Path, summary: Mapping[str, Any]) -> list[LeftOut]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as stream:
        lines = [line for line, _ in zip(csv.DictReader(stream), range(_MOST_QUARANTINED), strict=False)]
    return [LeftOut(line["path"], line["reason"], _left_out_image(line["path"], summary)) for line in lines]


def _left_out_image(path: str, summary: Mapping[str, Any]) -> str | None:
    """A thumbnail of a file that can be decoded: it may be in quarantine for its label."""
    folder = Path(summary["source"])
    file = folder / path
    if not file.is_file() or not file.resolve().is_relative_to(folder.resolve()):
        return None
    if file.stat().st_size > max_file_bytes(summary["max_pixels"]):
        return None
    try:
        image = decode(file, max_pixels=summary["max_pixels"], at_least=_SIDE)
    except (UndecodableImage, OSError):
        return None
    return data_address(np.asarray(image), _SIDE)
