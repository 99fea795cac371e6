"""ImageNet's ILSVRC classification set as downloaded: class folders for training, a flat val/.

Source: the challenge's page on Kaggle (LOC_val_solution.csv: "ImageId,PredictionString", the class before its
boxes), and readme.txt of ILSVRC2012_devkit_t12 (validation_ground_truth.txt: a number from 1 for each image,
in the order of the names; meta.mat: the class of each number).
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.known_sets.listing_files import fields
from pipeline.datasets.known_sets.matlab import matlab_fields
from pipeline.datasets.listed_images import ListedImages
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.tree import walk
from pipeline.datasets.wrappers import below, below_wrappers

_IMAGES = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
_SOLUTION = "LOC_val_solution.csv"
_DEVKIT = ("", "ILSVRC2012_devkit_t12/data", "data")
_NUMBERS, _META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"


def is_imagenet(root: Path) -> bool:
    """Whether a folder has train/, a flat val/, and a file with the classes of val/."""
    return _images(root) is not None and (_solution(root) or _devkit(root)) is not None


def read_imagenet(config: DataConfig, root: Path) -> ListedImages:
    """Read train/ by its folders and val/ with the published labels; images of test/ have no labels.

    Raises:
        ValueError: another layout, a validation image without a label, or labels of another number of images.
    """
    inner = below_wrappers(root)
    if not is_imagenet(inner):
        raise ValueError(f"{root}: expected train/, val/ and {_SOLUTION}, or {_NUMBERS} and {_META}")
    images = _images(inner)
    prefix = below(root, images)
    names = sorted(path.name for path in (images / "val").iterdir() if is_image_name(path.name))
    classes, named_by = _val_classes(inner, names)
    entries = [*_tree(images, "train", prefix)]
    entries += [Entry(f"{prefix}val/{name}", "val", classes[Path(name).stem]) for name in names]
    if (images / "test").is_dir():
        entries += _tree(images, "test", prefix)
    return ListedImages(
        root,
        entries,
        max_bytes=max_file_bytes(config.max_pixels),
        notes=(f"labels of val: by {named_by}",),
    )


def _images(root: Path) -> Path | None:
    places = (root / place for place in _IMAGES)
    return next((p for p in places if (p / "train").is_dir() and _is_flat(p / "val")), None)


def _is_flat(folder: Path) -> bool:
    return folder.is_dir() and any(is_image_name(path.name) for path in folder.iterdir())


def _solution(root: Path) -> Path | None:
    return root / _SOLUTION if (root / _SOLUTION).is_file() else None


def _devkit(root: Path) -> Path | None:
    places = (root / place for place in _DEVKIT)
    return next((p for p in places if (p / _NUMBERS).is_file() and (p / _META).is_file()), None)


def _val_classes(root: Path, names: list[str]) -> tuple[dict[str, str], str]:
    """({name without suffix: class}, the file with these classes)."""
    if file := _solution(root):
        with open(file, encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
        if not rows or not {"ImageId", "PredictionString"} <= rows[0].keys():
            raise ValueError(f"{file}: expected lines below ImageId,PredictionString")
        classes = {row["ImageId"]: (row["PredictionString"] or "").split(" ")[0] for row in rows}
        missing = next((name for name in names if not classes.get(Path(name).stem)), None)
        if missing:
            raise ValueError(f"{file}: expected the class of {missing}, found none")
        return classes, file.name
    folder = _devkit(root)
    numbers = [number for (number,) in fields(folder / _NUMBERS, 1)]
    if len(numbers) != len(names):
        raise ValueError(
            f"{folder / _NUMBERS}: expected a line for each of {len(names)} images, found {len(numbers)}"
        )
    class_of = dict(matlab_fields(folder / _META, "synsets", ("ILSVRC2012_ID", "WNID")))
    unknown = next((number for number in numbers if number not in class_of), None)
    if unknown:
        raise ValueError(f"{folder / _META}: expected the class of number {unknown}, found none")
    return {Path(n).stem: class_of[k] for n, k in zip(names, numbers, strict=True)}, f"{_NUMBERS} and {_META}"


def _tree(root: Path, split: str, prefix: str) -> Iterator[Entry]:
    """The images of train/, with classes by folder, or of test/, without."""
    for folder, _, files in walk(root / split):
        start = f"{prefix}{split}/{folder}/" if folder else f"{prefix}{split}/"
        name = folder.split("/")[0] if folder and split == "train" else None
        for file in files:
            if is_image_name(file.name):
                yield Entry(start + file.name, split, name)


IMAGENET = Format(read_imagenet, is_imagenet)
