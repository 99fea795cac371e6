"""Tells key points from polygons in YOLO label files: both are lines of more than five numbers.

A line of key points is a class, a box, and then points inside the box, each with a visibility or without.
Read as a polygon, the centre and the sides of the box would be corners.
"""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

_BOX = 5  # numbers before the key points: class, centre, width, height
_FEWEST = 5  # lines; fewer may look so by chance
_TRIED = 50  # label files
_BEYOND = 0.01  # of the image, by which a point may be outside its box
_SEEN = (0.0, 1.0, 2.0)  # not labelled, hidden, visible


def hold_key_points(files: Iterable[Path]) -> bool:
    """Whether every longer line of the first label files could be key points, of at least five such lines."""
    lines = (line.split() for file in islice(files, _TRIED) for line in _lines(file))
    longer = [words for words in lines if len(words) > _BOX + 1]
    return len(longer) >= _FEWEST and all(map(_is_key_points, longer))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return []  # reported when the file is read


def _is_key_points(words: list[str]) -> bool:
    try:
        _, x, y, width, height, *rest = map(float, words)
    except ValueError:
        return False
    if len(rest) % 2 == 0 and all(
        _is_inside(point, (x, y), (width, height)) for point in zip(rest[::2], rest[1::2], strict=True)
    ):
        return True
    if len(rest) % 3:
        return False
    points = list(zip(rest[::3], rest[1::3], rest[2::3], strict=True))
    return all(
        seen in _SEEN and (not any((px, py)) or _is_inside((px, py), (x, y), (width, height)))
        for px, py, seen in points
    )


def _is_inside(point: tuple[float, float], centre: tuple[float, float], sides: tuple[float, float]) -> bool:
    return all(abs(p - c) <= side / 2 + _BEYOND for p, c, side in zip(point, centre, sides, strict=True))
