"""Counts the files of a source that are not images, and recognises labels among them."""

import re
from collections import Counter
from pathlib import PurePosixPath

_SHOWN = 6  # suffixes that a message lists
_TABLES = "tables"
# Patterns of files with labels; names in lower case, with their folder.
_LABELS = (
    (r"(^|/)metadata\.(jsonl|csv|parquet)$", "columns beside an image folder"),
    (r"\.cls$", "WebDataset's class fields"),
    (r"(^|/)(data\.ya?ml|obj\.(data|names)|dataset\.ya?ml)$", "YOLO's description"),
    (r"(^|/)(imagelabels|setid|[^/]*_32x32|cars_[^/]*|[^/]*annos?|lists?)\.mat$", "MATLAB's tables"),
    (r"\.(lmdb|tfrecords?|arrow|parquet)$", "tables of records"),
    (
        r"(^|/)(val_annotations|train_test_split|image_class_labels|wnids|classes)\.(txt|csv)$",
        "tables of classes",
    ),
    (
        r"(^|/)(train|training|val|valid|test|testing|trainval)_?\d*\.(txt|csv|tsv|json)$",
        "lists of official splits",
    ),
    (r"coco[^/]*\.json$|(^|/)(instances_[^/]*|result|labels|annotations?)\.json$", "annotations"),
    (r"(^|/)([^/]*_)?(labels?|annotations?|targets?|ground_?truth|gt|captions?)\.txt$", "lists of labels"),
    (r"\.(csv|tsv|jsonl|ndjson|xlsx?|ods|feather|sqlite3?|db3)$", _TABLES),
    (r"\.(lst|rec)$", "MXNet's records"),
    (
        r"(^|[/_.-])(labels?|annot[a-z]*|anno|class(es)?|class[-_]to[-_]idx|targets?|ground[-_]?truth|gt|attr"
        r"[a-z]*|identity|split[a-z]*|folds?|names|meta(data)?|via|region)([_.-][^/]*)?"
        r"\.(txt|json|geojson|npy|npz|pkl|pickle|pt|pth|mat|h5|hdf5|ya?ml|xml|db)$",
        "by its name",
    ),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), words) for pattern, words in _LABELS)
# Files with an image's name that describe it.
_LABEL_FOLDERS = frozenset(("labels", "annotations", "xmls"))
_BESIDE = {".json": "labelme", ".xml": "Pascal VOC", ".txt": "YOLO or captions"}


_NUMBERS = frozenset((".npy", ".dcm", ".dicom"))


class SkippedFiles:
    """Counts skipped files."""

    def __init__(self) -> None:
        self.suffixes: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, folder: str, names: list[str], image_stems: set[str]) -> None:
        """Count the files of a folder that are not images.

        Args:
            image_stems: names of the folder's images without suffix.
        """
        in_labels_folder = not _LABEL_FOLDERS.isdisjoint(folder.lower().split("/"))
        for name in names:
            suffix = PurePosixPath(name).suffix.lower()
            self.suffixes[suffix or "(no suffix)"] += 1
            path = f"{folder}/{name}" if folder else name
            kind = next((words for pattern, words in _COMPILED if pattern.search(path.lower())), None)
            is_beside = PurePosixPath(name).stem in image_stems or in_labels_folder
            if kind is None and is_beside and suffix in _BESIDE:
                kind = f"{_BESIDE[suffix]}, a file for each image"
            if kind:
                self._labels[kind] += 1
                self._first.setdefault(kind, path)

    def notes(self) -> tuple[str, ...]:
        """One line on the number of skipped files, and one on labels among them."""
        lines = []
        if self.suffixes:
            lines.append(f"skipped: {_counted(self.suffixes)}")
        if self._labels:
            kinds = (f"{self._first[kind]} ({kind}; {n} files)" for kind, n in self._labels.most_common())
            is_table = self._first.get(_TABLES, "").lower().endswith((".csv", ".tsv"))
            why = '; data.format = "csv" reads a list of images, or says why not' if is_table else ""
            lines.append(f"caution: labels that lie there are not read: {', '.join(kinds)}{why}")
        if numbers := sorted(_NUMBERS.intersection(self.suffixes)):
            lines.append(f"{', '.join(numbers)} are images with data.channels, the number of their channels")
        return tuple(lines)


def _counted(suffixes: Counter[str]) -> str:
    found = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{count} {suffix}" for suffix, count in found[:_SHOWN])
    rest = sum(count for _, count in found[_SHOWN:])
    return f"{shown}{f', {rest} others' if rest else ''} files, which are no images that can be read"
