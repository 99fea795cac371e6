"""COCO's json files: boxes and masks of objects, with category ids of any number."""

import json
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.config.data import DataConfig
from pipeline.datasets.objects.annotated import AnnotatedImage, AnnotatedObject
from pipeline.datasets.objects.source import ObjectImage, ObjectSource
from pipeline.datasets.wrappers import below, below_wrappers

_PREFERRED = "instances_*.json"
# COCO's other files in the same folder: captions, key points, and segments without one box for each object.
_OTHERS = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_")
_ROBOFLOW = "_annotations.coco.json"  # lies in each split folder, beside the images
_SPLIT_WORDS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_TRIED = 20  # images of a file that are looked for in each folder


def coco_files(root: Path) -> list[Path]:
    """The json files of a folder without wrappers that hold objects, sorted by name."""
    beside_images = sorted(root.glob(f"*/{_ROBOFLOW}")) + sorted(root.glob(_ROBOFLOW))
    found = sorted((root / "annotations").glob(_PREFERRED)) or [
        path for path in sorted((root / "annotations").glob("*.json")) if not path.name.startswith(_OTHERS)
    ]
    return found or beside_images


def read_coco(config: DataConfig, root: Path) -> ObjectSource:
    """Read annotations/instances_*.json, or other files of objects there, or Roboflow's in split folders.

    The split is the word train, val or test in the file's or the folder's name; without one, there is none.
    Images are looked for in the usual folders. Classes are all categories, in the order of their ids.

    Raises:
        ValueError: no such file, no folder that has the images, a file that is not in COCO's form, an id that
            is not defined or defined twice, or `data.class_names`.
    """
    inner = below_wrappers(root)
    paths = coco_files(inner)
    if not paths:
        raise ValueError(f"{root}: expected annotations/{_PREFERRED} or */{_ROBOFLOW}, found neither")
    files = [_CocoFile.read(path) for path in paths]
    names = _merged_categories(files)
    label_of = {category: label for label, category in enumerate(sorted(names))}
    prefix = below(root, inner)
    images = [image for file in files for image in _images(file, inner, prefix, label_of)]
    return ObjectSource(
        root,
        images,
        class_names=tuple(names[category] for category in label_of),
        category_ids=tuple(label_of),
        max_pixels=config.max_pixels,
    )


@dataclass(frozen=True)
class _CocoFile:
    """One json file."""

    path: Path
    split: str | None
    images: dict[int, dict[str, Any]]  # by id, in the file's order
    annotations: dict[int, list[dict[str, Any]]]  # by image id
    categories: dict[int, str]  # id -> name

    @classmethod
    def read(cls, path: Path) -> "_CocoFile":
        """Parse a file, and group its annotations by image.

        Raises:
            ValueError: it is not in COCO's form, or ids are undefined or defined twice.
        """
        try:
            with open(path, encoding="utf-8") as stream:
                content = json.load(stream, object_hook=_compact)
        except ValueError as error:
            raise ValueError(f"{path}: not a JSON file ({error})") from error
        lists = [content.get(key) if isinstance(content, dict) else None for key in _KEYS]
        if not all(isinstance(values, list) for values in lists):
            raise ValueError(f"{path}: expected COCO's lists {', '.join(_KEYS)}")
        images, annotations, categories = lists
        by_id = _by_id(path, "image", images)
        grouped = defaultdict(list)
        for annotation in annotations:
            if annotation.get("image_id") not in by_id:
                raise ValueError(
                    f"{path}: annotation {annotation.get('id')}: no image has the id "
                    f"{annotation.get('image_id')!r}"
                )
            grouped[annotation["image_id"]].append(annotation)
        names = {key: str(value.get("name")) for key, value in _by_id(path, "category", categories).items()}
        return cls(path, _split_word(path), by_id, grouped, names)


_KEYS = ("images", "annotations", "categories")


def _compact(found: dict[str, Any]) -> dict[str, Any]:
    """Called for every JSON object: polygons become arrays, a quarter as large as lists of numbers."""
    polygons = found.get("segmentation")
    if isinstance(polygons, list):
        # What is no polygon is refused later, where it is known which image it belongs to.
        with suppress(TypeError):
            found["segmentation"] = tuple(array("d", polygon) for polygon in polygons)
    return found


def _by_id(path: Path, kind: str, values: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for value in values:
        key = value.get("id") if isinstance(value, dict) else None
        if not isinstance(key, int) or key in found:
            problem = "defined twice" if key in found else "no whole number"
            raise ValueError(f"{path}: {kind} id {key!r} is {problem}")
        found[key] = value
    return found


def _split_word(path: Path) -> str | None:
    name = path.parent.name if path.name == _ROBOFLOW else path.stem
    return next((_SPLIT_WORDS[w] for w in re.split("[^a-z]+", name.lower()) if w in _SPLIT_WORDS), None)


def _merged_categories(files: list[_CocoFile]) -> dict[int, str]:
    """id -> name over all files; equal names of different ids are told apart by the id.

    Raises:
        ValueError: two files name one id differently.
    """
    merged: dict[int, str] = {}
    for file in files:
        for key, name in file.categories.items():
            if merged.setdefault(key, name) != name:
                raise ValueError(f"{file.path}: category {key} is {name!r}, but {merged[key]!r} elsewhere")
    times = Counter(merged.values())
    return {key: name if times[name] == 1 else f"{name} ({key})" for key, name in merged.items()}


def _images(file: _CocoFile, root: Path, prefix: str, label_of: dict[int, int]) -> Iterator[ObjectImage]:
    """Every image of a file with its objects, which are taken out of the file to save memory."""
    folder = _image_folder(file, root)
    for key, image in file.images.items():
        name = str(image.get("file_name"))
        is_unsafe = name.startswith("/") or ".." in PurePosixPath(name).parts
        problem = "unsafe file_name: absolute, or climbing out of the source" if is_unsafe else None
        size = (image.get("width"), image.get("height"))
        annotated = AnnotatedImage(
            tuple(_object(found, label_of, file.path) for found in file.annotations.pop(key, ())),
            size if all(isinstance(side, int) and side > 0 for side in size) else None,
            file.path.name,
            key,
        )
        yield ObjectImage(file.split, f"{prefix}{folder}{name}", annotated, problem)


def _image_folder(file: _CocoFile, root: Path) -> str:
    """Which folder a file's names count from: "" or "folder/"."""
    part = file.path.stem.removeprefix("instances_")
    beside = below(root, file.path.parent)
    words = [part, *([file.split] if file.split else [])]
    folders = [beside] if file.path.name == _ROBOFLOW else []
    folders += [f"{start}{word}/" for start in ("images/", "") for word in words] + ["images/", "", beside]
    names = [str(image.get("file_name")) for image in list(file.images.values())[:_TRIED]]
    for folder in folders:
        if any((root / folder / name).is_file() for name in names):
            return folder
    if not names:
        return ""
    raise ValueError(
        f"{file.path}: its images, such as {names[0]!r}, are in none of "
        f"{', '.join(folder or './' for folder in dict.fromkeys(folders))} in {root}"
    )


def _object(found: dict[str, Any], label_of: dict[int, int], path: Path) -> AnnotatedObject:
    category = found.get("category_id")
    if category not in label_of:
        raise ValueError(
            f"{path}: annotation {found.get('id')}: expected a category_id among {list(label_of)}, "
            f"found {category!r}"
        )
    return coco_object(found, label_of[category])


def coco_object(found: dict[str, Any], label: int) -> AnnotatedObject:
    """One entry of COCO's "annotations" as an object of class `label`."""
    box, area = found.get("bbox"), found.get("area")
    if box is not None:
        is_box = isinstance(box, list) and len(box) == 4 and all(isinstance(n, int | float) for n in box)
        left, top, width, height = box if is_box else [float("nan")] * 4
        box = (left, top, left + width, top + height)
    return AnnotatedObject(
        name=f"annotation {found.get('id')}",
        label=label,
        box=box,
        crowd=bool(found.get("iscrowd", 0)),
        area=area if isinstance(area, int | float) else None,
        segmentation=found.get("segmentation"),
    )
