"""Converts the shapes of a labelme file to objects. Points are continuous: pixel 1 is from 0 to 1."""

import base64
import binascii
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval.core import mask as run_lengths

from pipeline.datasets.decode import UndecodableImage, decode_values
from pipeline.datasets.objects.annotated import AnnotatedObject, Box

# Names that labelme's own converters do not turn into classes: the background and ignored pixels.
NO_CLASS = ("_background_", "__ignore__")
_CIRCLE_CORNERS = 128  # this polygon has 99.96 % of the circle's area


class Shape(NamedTuple):
    """One shape, checked."""

    number: int  # counted from 1, for messages
    name: str  # of its class
    group: int | None  # shapes of one class and group are parts of one object
    box: Box | None  # None: of a mask, whose box is computed
    polygon: list[float] | None  # x, y, x, y, ...; of a rectangle too
    is_rectangle: bool = False
    mask: dict[str, Any] | None = None  # run lengths over the whole image


def read_shape(found: Any, number: int, size: tuple[int, int] | None) -> Shape:
    """One entry of "shapes".

    Args:
        size: (width, height) of the image, if the file states it.

    Raises:
        ValueError: not a shape with a name and points, a kind without a definite area, or an invalid mask.
    """
    if not isinstance(found, dict):
        raise ValueError(f"shape {number}: expected an object, found {type(found).__name__}")
    name, points, kind = found.get("label"), found.get("points"), found.get("shape_type") or "polygon"
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"shape {number}: expected a label, found {name!r:.60}")
    if not isinstance(kind, str) or kind not in _SHAPES:
        raise ValueError(f"shape {number} ({name}): expected one of {', '.join(_SHAPES)}, found {kind!r:.60}")
    if not isinstance(points, list) or not all(map(_is_point, points)):
        raise ValueError(f"shape {number} ({name}): expected points as lists of x, y")
    group = found.get("group_id")
    if group is not None and type(group) is not int:
        raise ValueError(
            f"shape {number} ({name}): expected group_id as a number or null, found {group!r:.60}"
        )
    fewest, most, parsed = _SHAPES[kind]
    if not fewest <= len(points) <= most:
        expected = f"{fewest} points" if most == fewest else f"{fewest} points or more"
        raise ValueError(f"shape {number} ({name}): expected {expected} of a {kind}, found {len(points)}")
    shape = Shape(number, name.strip(), group, None, None, kind == "rectangle")
    if kind == "mask":
        try:
            return shape._replace(mask=_mask(found.get("mask"), points, size))
        except ValueError as error:
            raise ValueError(f"shape {number} ({name}): {error}") from error
    box, polygon = parsed(points)
    return shape._replace(box=box, polygon=polygon)


def objects_of(shapes: list[Shape], label_of: dict[str, int]) -> list[AnnotatedObject]:
    """Objects in the order of their first shape; a single rectangle is a box, anything else has a mask."""
    parts: dict[tuple, list[Shape]] = defaultdict(list)
    for shape in shapes:
        key = shape.number if shape.group is None else (shape.name, shape.group)
        parts[key].append(shape)
    return [_object(found, label_of[found[0].name]) for found in parts.values()]


def _object(shapes: list[Shape], label: int) -> AnnotatedObject:
    first = shapes[0]
    name = f"shape {' + '.join(str(shape.number) for shape in shapes)} ({first.name})"
    if len(shapes) == 1 and first.is_rectangle:
        return AnnotatedObject(name, label, first.box)
    masks = [shape.mask for shape in shapes if shape.mask is not None]
    polygons = [shape.polygon for shape in shapes if shape.polygon]
    if not masks:
        corners = np.array([shape.box for shape in shapes])
        box = (*corners[:, :2].min(axis=0).tolist(), *corners[:, 2:].max(axis=0).tolist())
        return AnnotatedObject(name, label, box, segmentation=polygons)
    height, width = masks[0]["size"]
    if polygons:
        masks.append(run_lengths.segmToRle(polygons, width, height))
    return AnnotatedObject(name, label, None, segmentation=run_lengths.merge(masks))


def _is_point(found: Any) -> bool:
    return (
        isinstance(found, list)
        and len(found) == 2
        and all(type(value) in (int, float) and abs(value) < 2**31 for value in found)
    )


def _polygon(points: list[list[float]]) -> tuple[Box, list[float]]:
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys), max(xs), max(ys)), [float(value) for point in points for value in point]


def _rectangle(points: list[list[float]]) -> tuple[Box, list[float]]:
    (x1, y1, x2, y2), _ = _polygon(points)
    return _polygon([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def _circle(points: list[list[float]]) -> tuple[Box, list[float]]:
    """The centre, and a point of the circle."""
    (x, y), (edge_x, edge_y) = points
    radius = math.hypot(edge_x - x, edge_y - y)
    angles = np.linspace(0, 2 * np.pi, _CIRCLE_CORNERS, endpoint=False)
    corners = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
    return (x - radius, y - radius, x + radius, y + radius), corners.ravel().tolist()


def _mask(found: Any, points: list[list[float]], size: tuple[int, int] | None) -> dict[str, Any]:
    """A PNG of the pixels from the first point to the second, both included -> run lengths over the image."""
    if size is None:
        raise ValueError("expected imageWidth and imageHeight beside a mask, found none")
    width, height = size
    (x1, y1), (x2, y2) = ((math.floor(x), math.floor(y)) for x, y in points)
    if not (0 <= x1 <= x2 < width and 0 <= y1 <= y2 < height):
        raise ValueError(
            f"expected a mask inside {width} x {height} pixels, found ({x1}, {y1}) to ({x2}, {y2})"
        )
    try:
        values = decode_values(base64.b64decode(found, validate=True), max_pixels=width * height)
    except (TypeError, binascii.Error, UndecodableImage) as error:
        raise ValueError(f"expected a mask as a PNG in base64 ({error})") from error
    if values.shape != (y2 - y1 + 1, x2 - x1 + 1):
        raise ValueError(
            f"expected a mask of {x2 - x1 + 1} x {y2 - y1 + 1} pixels, found the shape {values.shape}"
        )
    whole = np.zeros((height, width), np.uint8, order="F")
    whole[y1 : y2 + 1, x1 : x2 + 1] = values > 0
    return run_lengths.encode(whole)


# Kind -> (fewest points, most points, box and polygon). Lines and points have no area.
_SHAPES: dict[str, tuple[int, float, Callable[[list[list[float]]], tuple[Box, list[float]]] | None]] = {
    "polygon": (3, math.inf, _polygon),
    "rectangle": (2, 2, _rectangle),
    "circle": (2, 2, _circle),
    "oriented_rectangle": (4, 4, _polygon),
    "mask": (2, 2, None),
}
