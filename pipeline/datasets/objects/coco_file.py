"""One json file in COCO's form: parsed, checked, and its annotations grouped by image."""

import json
import re
from array import array
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.datasets.objects.coco_entries import as_held, is_number

ROBOFLOW = "_annotations.coco.json"  # lies in each split folder, beside the images
_KEYS = ("images", "annotations", "categories")
_SPLIT_WORDS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class CocoFile:
    """One json file."""

    path: Path
    split: str | None
    images: dict[int, dict[str, Any]]  # by id, in the file's order
    annotations: dict[int, list[dict[str, Any]]]  # by image id
    categories: dict[int, str]  # id -> name
    used: set[int]  # ids of the categories that annotations have
    above: dict[int, str]  # category id -> name of the category above it; "": none

    @classmethod
    def read(cls, path: Path) -> "CocoFile":
        """Parse a file, and group its annotations by image.

        Raises:
            ValueError: it is not in COCO's form, or ids are undefined or defined twice.
        """
        try:
            with open(path, encoding="utf-8") as stream:
                content = json.load(stream, object_hook=_compact)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not a JSON file ({error})") from error
        _check_lists(path, content)
        images, categories = _by_id(path, "image", content["images"]), content["categories"]
        grouped, used = defaultdict(list), set()
        for annotation in content["annotations"]:
            image = annotation.get("image_id")
            if not is_number(image) or image not in images:
                raise ValueError(f"{path}: annotation {annotation.get('id')}: no image has the id {image!r}")
            grouped[image].append(annotation)
            if is_number(category := annotation.get("category_id")):
                used.add(category)
        found = _by_id(path, "category", categories)
        names = {key: str(value.get("name")) for key, value in found.items()}
        above = {key: str(value.get("supercategory") or "") for key, value in found.items()}
        return cls(path, _split_word(path), images, grouped, names, used, above)


def _check_lists(path: Path, content: Any) -> None:
    """Raise ValueError, with the first thing that is not as in COCO's files."""
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected COCO's lists {', '.join(_KEYS)}, found {as_held(content)}")
    missing = [key for key in _KEYS if key not in content]
    if missing:
        raise ValueError(
            f"{path}: expected COCO's lists {', '.join(_KEYS)}; missing: {', '.join(missing)}; "
            f"found the keys {', '.join(content) or 'none'}"
        )
    for key in _KEYS:
        if not isinstance(content[key], list):
            raise ValueError(f"{path}: {key}: expected a list, found {as_held(content[key])}")
        for place, entry in enumerate(content[key], start=1):
            if not isinstance(entry, dict):
                raise ValueError(
                    f'{path}: {key}: expected objects such as {{"id": 1, ...}}, '
                    f"found as number {place} {as_held(entry)}"
                )


def _compact(found: dict[str, Any]) -> dict[str, Any]:
    """Called for every JSON object: polygons become arrays, a quarter as large as lists of numbers."""
    polygons = found.get("segmentation")
    if isinstance(polygons, list):
        # What is no polygon is refused later, where it is known which image it belongs to.
        with suppress(TypeError, OverflowError):
            found["segmentation"] = tuple(array("d", polygon) for polygon in polygons)
    return found


def _by_id(path: Path, kind: str, values: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for value in values:
        key = value.get("id")
        if type(key) is not int:
            raise ValueError(f"{path}: {kind} id {key!r} is no whole number")
        if key in found:
            raise ValueError(f"{path}: {kind} id {key!r} is defined twice")
        found[key] = value
    return found


def _split_word(path: Path) -> str | None:
    name = path.parent.name if path.name == ROBOFLOW else path.stem
    return next((_SPLIT_WORDS[w] for w in re.split("[^a-z]+", name.lower()) if w in _SPLIT_WORDS), None)
