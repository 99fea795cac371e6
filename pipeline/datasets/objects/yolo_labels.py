"""Reads a YOLO label file: each line has a class and a box or a polygon, relative to the image."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline.datasets.objects.annotated import AnnotatedImage, AnnotatedObject, PackedObjects
from pipeline.datasets.source import BadAnnotation

_MAX_BYTES = 2**26
_BOX = 5  # columns: class, centre x, centre y, width, height
_FEWEST = 7  # columns of a polygon: class and three corners
# Writers round, and may be off by a pixel; pixels instead of fractions are far beyond this.
_ROUNDING = 0.01


@dataclass(frozen=True, slots=True)
class YoloLabels:
    """The objects of one image, read from its label file when needed.

    Coordinates refer to the image with its EXIF orientation applied.
    """

    file: Path | None  # None: an image without objects
    origin: str  # name of the file in messages
    num_classes: int
    size: ClassVar[None] = None
    is_upright: ClassVar[bool] = True

    def packed(self, width: int, height: int) -> PackedObjects:
        """The objects in pixels, checked; as `AnnotatedImage.packed`.

        Raises:
            BadAnnotation: the file cannot be read or a line is not in YOLO's format; the message names the
            line.
        """
        objects = self._objects(width, height) if self.file else []
        return AnnotatedImage(tuple(objects), None, self.origin).packed(width, height)

    def _objects(self, width: int, height: int) -> list[AnnotatedObject]:
        objects, first = [], 0
        for number, line in enumerate(_lines(self.file, self.origin), start=1):
            words = line.split()
            if not words:
                continue
            try:
                found = _object(words, f"line {number}", self.num_classes, width, height)
            except ValueError as error:
                raise BadAnnotation(f"{self.origin}: line {number}: {error}") from error
            first = first or number
            if objects and bool(found.segmentation) != bool(objects[0].segmentation):
                kinds = ["a box", "a polygon"]
                expected, other = reversed(kinds) if objects[0].segmentation else kinds
                raise BadAnnotation(
                    f"{self.origin}: line {number}: expected {expected} as in line {first}, found {other}"
                )
            objects.append(found)
        return objects


def _lines(file: Path, origin: str) -> list[str]:
    if (num_bytes := file.stat().st_size) > _MAX_BYTES:
        raise BadAnnotation(f"{origin}: expected at most {_MAX_BYTES} bytes of labels, found {num_bytes}")
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadAnnotation(f"{origin}: expected lines of numbers, found no text ({error})") from error


def _object(words: list[str], name: str, num_classes: int, width: int, height: int) -> AnnotatedObject:
    """Convert one line to an object.

    Raises:
        ValueError: wrong number of columns, not a number, a number outside the image, or an unknown class.
    """
    is_polygon = len(words) >= _FEWEST and len(words) % 2
    if len(words) != _BOX and not is_polygon:
        raise ValueError(
            "expected 5 columns (class, centre x and y, width, height) or a class and three or more corners "
            f"x y, found {len(words)} columns"
        )
    label, *values = map(_number, words)
    if label not in range(num_classes):
        raise ValueError(f"expected a class from 0 to {num_classes - 1}, found {words[0]}")
    for value, word in zip(values, words[1:], strict=True):
        if not -_ROUNDING <= value <= 1 + _ROUNDING:
            raise ValueError(f"expected numbers from 0 to 1, relative to the image, found {word}")
    if is_polygon:
        xs, ys = [x * width for x in values[::2]], [y * height for y in values[1::2]]
        corners = [value for corner in zip(xs, ys, strict=True) for value in corner]
        box = (min(xs), min(ys), max(xs), max(ys))
        return AnnotatedObject(name, int(label), box, segmentation=[corners])
    x, y, wide, high = values
    box = ((x - wide / 2) * width, (y - high / 2) * height, (x + wide / 2) * width, (y + high / 2) * height)
    return AnnotatedObject(name, int(label), box)


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"expected numbers, found {word!r}")
    return value
