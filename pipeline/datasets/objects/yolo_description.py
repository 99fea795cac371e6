"""Reads the file that describes a YOLO data set: its classes, and where its parts are.

data.yaml (Ultralytics, Roboflow, datumaro, supervision): names, as a list or by number; path, train, ...
obj.data (Darknet, CVAT, datumaro): "key = value" lines; names in a separate file, parts as lists.
classes.txt or *.names alone (labelImg, Label Studio): one class per line.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.datasets.foreign_paths import find_below
from pipeline.storage.foreign_json import refuse_deep

_MAX_BYTES = 2**20
_NAMES_KEY = re.compile(r"^[\"']?names[\"']?\s*[:=]", re.MULTILINE)
_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_NAME_FILES = ("classes.txt", "labels/classes.txt")
_NOTHING = ("", "~", "null", "None")


@dataclass(frozen=True)
class Description:
    """Content of such a file."""

    file: Path
    class_names: tuple[str, ...]
    # Split -> folders or lists of images below the described folder; if empty, folders name the splits.
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()  # test parts that it names and that do not exist


def find_descriptions(root: Path) -> list[Path]:
    """The files that may describe a folder without wrappers; only one if its name is unambiguous."""
    for pattern, preferred in (("*.yaml", "data.yaml"), ("*.yml", "data.yml"), ("*.data", "obj.data")):
        found = [path for path in sorted(root.glob(pattern)) if _names_classes(path)]
        if root / preferred in found:
            return [root / preferred]
        if found:
            return found
    files = [*sorted(root.glob("*.names")), *(root / name for name in _NAME_FILES)]
    return [path for path in files if path.is_file()][:1]


def _names_classes(path: Path) -> bool:
    try:
        return path.is_file() and _NAMES_KEY.search(_text(path)) is not None
    except (ValueError, OSError):  # another program's file
        return False


def read_description(root: Path, file: Path) -> Description:
    """Read a file that `find_descriptions` found in `root`.

    Raises:
        ValueError: invalid format, names that are not distinct or not as many as stated, key points, or a
            part that does not exist.
    """
    if file.suffix in (".yaml", ".yml"):
        content = _yaml(file)
        if "kpt_shape" in content:
            raise ValueError(f"{file}: expected boxes or polygons, found key points (kpt_shape)")
        names = _names(file, content["names"])
        start = content.get("path")
        start = "" if not isinstance(start, str) or start in _NOTHING else start
    elif file.suffix == ".data":
        content = dict(_pairs(file))
        if "names" not in content:
            raise ValueError(f"{file}: expected the keys names and train, found {', '.join(content)}")
        names_file = find_below(root, content["names"])
        if names_file is None:
            raise ValueError(
                f"{file}: names: expected a file in {root}, found none called {content['names']}"
            )
        names, start = _name_lines(root / names_file), ""
        content["nc"] = content.get("classes")
    else:
        return Description(file, _name_lines(file))
    num_classes = content.get("nc")
    if num_classes not in (None, *_NOTHING, str(len(names))):
        raise ValueError(f"{file}: expected as many names as classes ({num_classes}), found {len(names)}")
    return Description(file, names, *_parts(root, file, content, start))


def _parts(
    root: Path, file: Path, content: dict[str, Any], start: str
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    parts: dict[str, tuple[str, ...]] = {}
    missing = []
    for key, split in _KEYS.items():
        stated = content.get(key)
        if stated is None or stated in _NOTHING:
            continue
        names = stated if isinstance(stated, list) else [stated]
        if not names or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{file}: {key}: expected a folder or list of images, or several in a list")
        found = [find_below(root, f"{start}/{name}" if start else name) for name in names]
        absent = [name for name, place in zip(names, found, strict=True) if place is None]
        # Roboflow names a test part even if there is none.
        if absent and split == "test" and len(absent) == len(names):
            missing += absent
        elif absent:
            raise ValueError(f"{file}: {key}: expected {absent[0]} in {root}, found no such folder or list")
        elif split in parts:
            raise ValueError(f"{file}: expected the part {split} once, found it again as {key}")
        else:
            parts[split] = tuple(found)
    return parts, tuple(missing)


def _text(file: Path) -> str:
    """The text of a small file.

    Raises:
        ValueError: it is too large, or not text.
    """
    if (num_bytes := file.stat().st_size) > _MAX_BYTES:
        raise ValueError(f"{file}: expected at most {_MAX_BYTES} bytes, found {num_bytes}")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected text ({error})") from error


def _yaml(file: Path) -> dict[str, Any]:
    text = _text(file)
    try:
        refuse_deep(text.encode())
        # As safe as yaml.safe_load, and keeps every value as text: a class "no" is not False.
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        words = " ".join(str(error).split())
        raise ValueError(f"{file}: not a YAML file ({words})") from error
    if not isinstance(content, dict) or "names" not in content:
        raise ValueError(f"{file}: expected the keys names and train, found {type(content).__name__}")
    return content


def _names(file: Path, found: Any) -> tuple[str, ...]:
    if isinstance(found, dict):
        numbers = {str(number): number for number in range(len(found))}
        if strange := next((key for key in found if key not in numbers), None):
            raise ValueError(f"{file}: names: expected numbers 0 to {len(found) - 1}, found {strange!r}")
        found = [found[number] for number in numbers]
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{file}: names: expected a list of names, or a name for each number")
    return _distinct(file, found)


def _name_lines(file: Path) -> tuple[str, ...]:
    lines = [line.strip() for line in _text(file).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return _distinct(file, lines)


def _distinct(file: Path, names: list[str]) -> tuple[str, ...]:
    if not names or not all(names) or len(set(names)) != len(names):
        twice = next((repr(name) for name in names if not name or names.count(name) > 1), "none")
        raise ValueError(f"{file}: expected distinct class names, found {twice}")
    return tuple(names)


def _pairs(file: Path) -> list[tuple[str, str]]:
    """The "key = value" lines of Darknet's .data file."""
    pairs = []
    for number, line in enumerate(_text(file).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f'{file}: line {number}: expected "key = value", found {line!r}')
        pairs.append((key.strip(), value.strip()))
    return pairs
