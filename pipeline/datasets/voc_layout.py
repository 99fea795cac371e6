"""The layout of Pascal VOC: JPEGImages/, and lists of names in ImageSets/<task>/."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.text_files import text_of

IMAGES = "JPEGImages"
_IMAGE_FOLDERS = (IMAGES, "images", "Images", "PNGImages")  # VOC's, Label Studio's, and others'
_SPLITS = ("train", "val", "test")
# In VOC's lists of a class, each name is followed by whether the image has it.
_MARK = re.compile(r"\s+(?:-1|0|1)$")


def image_folder(root: Path) -> str:
    """The folder of the images; VOC's own name if there is none."""
    return next((name for name in _IMAGE_FOLDERS if (root / name).is_dir()), IMAGES)


def images_by_name(root: Path) -> dict[str, str]:
    """{name without suffix: path relative to `root`} of every image."""
    folder = image_folder(root)
    names = sorted(path.name for path in (root / folder).iterdir() if is_image_name(path.name))
    return {Path(name).stem: f"{folder}/{name}" for name in names}


def listed_names(
    root: Path, task: str, known: dict[str, str] | None = None
) -> list[tuple[str | None, str]] | None:
    """(split, name) of every line of ImageSets/<task>/{train,val,test}.txt; None without such lists.

    trainval.txt is used if there is neither train.txt nor val.txt; default.txt, written by CVAT and datumaro
    for sets without splits, if there is no other. A line is a name with or without suffix, possibly with
    folders before it and VOC's mark after it; a name twice in one list is one image.

    Args:
        known: names of images, to tell a mark from the end of a name such as "img 1".

    Raises:
        ValueError: a list is empty, or a name is in two lists.
    """
    folder = root / "ImageSets" / task
    splits = [split for split in _SPLITS if (folder / f"{split}.txt").is_file()]
    if not {"train", "val"} & set(splits) and (folder / "trainval.txt").is_file():
        splits = ["trainval", *splits]
    if not splits:
        default = folder / "default.txt"
        return [(None, name) for name in _names_in(default, known or {})] if default.is_file() else None
    found: dict[str, str] = {}
    for split in splits:
        for name in _names_in(folder / f"{split}.txt", known or {}):
            if name in found:
                raise ValueError(f"{folder}: {name} is listed in {found[name]}.txt and in {split}.txt")
            found[name] = split
    return [(split, name) for name, split in found.items()]


def _names_in(file: Path, known: dict[str, str]) -> list[str]:
    """The names of a list, each once."""
    lines = [line for line in text_of(file).splitlines() if line.strip()]
    # Without this list another one would take its place, and be trained on.
    if not lines:
        raise ValueError(f"{file}: expected a name in each line, found an empty list")
    names = (next((name for name in _readings(line) if name in known), None) or line for line in lines)
    return list(dict.fromkeys(_MARK.sub("", name.strip()) if name not in known else name for name in names))


def _readings(line: str) -> Iterator[str]:
    """Possible names of an image in a line, the whole line first."""
    for words in (line.strip(), _MARK.sub("", line.strip()), line.split()[0]):
        name = PurePosixPath(words.replace("\\", "/")).name
        yield name
        if is_image_name(name):
            yield PurePosixPath(name).stem
