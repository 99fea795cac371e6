"""Reads the files that tools put beside label maps to name values or colours.

labelmap.txt: CVAT and datumaro, in VOC's layout; "name:r,g,b:parts:actions", colours possibly empty.
class_names.txt: labelme's script for VOC; one name per line.
label_colors.txt: CamVid and datumaro's form of it; "r g b name", colours possibly missing.
class_dict.csv: CamVid and others as often redistributed; a line "name,r,g,b", then one per class.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.text_files import text_of

Colour = tuple[int, int, int]
_COLOUR_FIRST = re.compile(r"(?:(\d+)\s+(\d+)\s+(\d+)\s+)?(\S.*)")
_IGNORED_NAME = "__ignore__"  # labelme's name for ignored pixels; it has no value of its own


class NamesBeside(NamedTuple):
    """Content of such a file; class k has the value k, or the k-th colour."""

    file: str
    class_names: tuple[str, ...]
    colours: tuple[Colour, ...] | None  # of each class; None: not stated for all


def read_names_beside(root: Path) -> NamesBeside | None:
    """The first of the files above that a folder has; None if it has none.

    Raises:
        ValueError: no names, a name or a colour twice, or an invalid colour.
    """
    for file, entries_of in _READERS.items():
        path = root / file
        if path.is_file():
            lines = [line.strip() for line in text_of(path).splitlines()]
            entries = list(entries_of(path, [line for line in lines if line and not line.startswith("#")]))
            return _checked(path, entries)
    return None


def _checked(path: Path, entries: list[tuple[str, Colour | None]]) -> NamesBeside:
    names = tuple(name for name, _ in entries)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{path}: expected distinct class names, found {list(names)}")
    colours = tuple(colour for _, colour in entries if colour)
    if len(colours) != len(names):
        return NamesBeside(path.name, names, None)
    if len(set(colours)) != len(colours) or max(map(max, colours)) > 255:
        raise ValueError(f"{path}: expected distinct colours of 0 to 255, found {list(colours)}")
    return NamesBeside(path.name, names, colours)


def _labelmap(path: Path, lines: list[str]) -> Iterator[tuple[str, Colour | None]]:
    for line in lines:
        name, colour, *_ = [*line.split(":"), ""]
        if not colour:
            yield name, None
            continue
        numbers = colour.split(",")
        if len(numbers) != 3 or not all(number.strip().isdigit() for number in numbers):
            raise ValueError(f'{path}: expected "name:r,g,b:parts:actions", found {line!r}')
        yield name, tuple(map(int, numbers))


def _class_names(path: Path, lines: list[str]) -> Iterator[tuple[str, Colour | None]]:
    for line in lines:
        if line != _IGNORED_NAME:
            yield line, None


def _label_colors(path: Path, lines: list[str]) -> Iterator[tuple[str, Colour | None]]:
    for line in lines:
        *colour, name = _COLOUR_FIRST.fullmatch(line).groups()
        yield name, None if colour[0] is None else tuple(map(int, colour))


def _class_dict(path: Path, lines: list[str]) -> Iterator[tuple[str, Colour | None]]:
    header, *rows = [*csv.reader(lines, skipinitialspace=True)] or [[]]
    if [word.strip().lower() for word in header] != ["name", "r", "g", "b"]:
        raise ValueError(f'{path}: expected the columns "name,r,g,b", found {",".join(header)!r}')
    for row in rows:
        name, *colour = (word.strip() for word in row)
        if not name or len(colour) != 3 or not all(number.isdecimal() for number in colour):
            raise ValueError(f'{path}: expected "name,r,g,b", found {",".join(row)!r}')
        yield name, tuple(map(int, colour))


_READERS = {
    "labelmap.txt": _labelmap,
    "class_names.txt": _class_names,
    "label_colors.txt": _label_colors,
    "class_dict.csv": _class_dict,
}
