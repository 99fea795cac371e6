"""One json file in COCO's format: parsed, checked, and its annotations grouped by image."""

import json
from array import array
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.datasets.objects.coco_entries import as_held, is_number
from pipeline.datasets.objects.coco_finding import KEYS
from pipeline.datasets.split_words import role_of

Id = int | str  # some programs write text; 1 and "1" are never one id


@dataclass(frozen=True)
class CocoFile:
    """One json file. Its images' ids are all numbers or all text, and so are its categories'."""

    path: Path
    split: str | None
    images: dict[Id, dict[str, Any]]  # by id, in the file's order
    annotations: dict[Id, list[dict[str, Any]]]  # by image id
    categories: dict[Id, str]  # id -> name
    used: set[Id]  # ids of the categories that occur in annotations
    above: dict[Id, str]  # category id -> name of its supercategory; "": none

    @classmethod
    def read(cls, path: Path, root: Path) -> "CocoFile":
        """Parse a file below `root`, and group its annotations by image.

        Raises:
            ValueError: it is not in COCO's format, or ids are undefined or defined twice.
        """
        try:
            with open(path, encoding="utf-8-sig") as stream:
                content = json.load(stream, object_hook=_compact)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not a JSON file ({error})") from error
        _check_lists(path, content)
        images, categories = _by_id(path, "image", content["images"]), content["categories"]
        grouped, used = defaultdict(list), set()
        for number, annotation in enumerate(content["annotations"], start=1):
            if annotation.get("id") is None:
                annotation["id"] = f"number {number}"  # for messages; nothing refers to it
            image = annotation.get("image_id")
            if not is_id(image) or image not in images:
                known = f", they are such as {next(iter(images))!r}" if images else ""
                raise ValueError(
                    f"{path}: annotation {annotation.get('id')}: no image has the id {image!r}{known}"
                )
            grouped[image].append(annotation)
            if is_id(category := annotation.get("category_id")):
                used.add(category)
        found = _by_id(path, "category", categories)
        names = {key: str(value.get("name") or "").strip() for key, value in found.items()}
        nameless = [key for key, name in names.items() if not name]
        if nameless:
            held = as_held(found[nameless[0]])
            raise ValueError(f"{path}: category {nameless[0]}: expected a name, found {held}")
        above = {key: str(value.get("supercategory") or "") for key, value in found.items()}
        return cls(path, _split_word(path, root), images, grouped, names, used, above)


def is_id(value: Any) -> bool:
    """Whether a JSON value may refer to an image or a category."""
    return is_number(value) or isinstance(value, str)


def _check_lists(path: Path, content: Any) -> None:
    """Raise ValueError for the first deviation from COCO's format."""
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected COCO's lists {', '.join(KEYS)}, found {as_held(content)}")
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise ValueError(
            f"{path}: expected COCO's lists {', '.join(KEYS)}; missing: {', '.join(missing)}; "
            f"found the keys {', '.join(content) or 'none'}"
        )
    for key in KEYS:
        if not isinstance(content[key], list):
            raise ValueError(f"{path}: {key}: expected a list, found {as_held(content[key])}")
        for place, entry in enumerate(content[key], start=1):
            if not isinstance(entry, dict):
                raise ValueError(
                    f'{path}: {key}: expected objects such as {{"id": 1, ...}}, '
                    f"found as number {place} {as_held(entry)}"
                )


def _compact(found: dict[str, Any]) -> dict[str, Any]:
    """Called for every JSON object: turns polygons into arrays, a quarter of the size of lists of numbers."""
    polygons = found.get("segmentation")
    if isinstance(polygons, list):
        # Some programs write a single outline without a list around it.
        polygons = [polygons] if polygons and all(map(is_number, polygons)) else polygons
        # Invalid polygons are refused later, when it is known to which image they belong.
        with suppress(TypeError, OverflowError):
            found["segmentation"] = tuple(array("d", polygon) for polygon in polygons)
    return found


def _by_id(path: Path, kind: str, values: list[dict[str, Any]]) -> dict[Id, dict[str, Any]]:
    found: dict[Id, dict[str, Any]] = {}
    first = None
    for value in values:
        key = value.get("id")
        if type(key) is not int and not (isinstance(key, str) and key):
            raise ValueError(f"{path}: {kind} id {key!r} is neither a whole number nor text")
        first = key if first is None else first
        if type(key) is not type(first):
            raise ValueError(
                f"{path}: expected {kind} ids that are all numbers or all text, found {first!r} and {key!r}"
            )
        if key in found:
            raise ValueError(f"{path}: {kind} id {key!r} is defined twice")
        found[key] = value
    return found


def _split_word(path: Path, root: Path) -> str | None:
    """The split named by the file, or else by a folder that contains it."""
    folders = path.relative_to(root).parts[:-1]
    return next((role for name in (path.stem, *reversed(folders)) if (role := role_of(name))), None)
