"""Converts an entry of COCO's "annotations" to an object."""

import json
import math
from typing import Any

from pipeline.datasets.objects.annotated import AnnotatedObject, Box

_SHOWN = 60  # characters of a wrong value
_SMALL = 4  # pixels of a box, below which an area of less than one pixel is possible


def coco_object(found: dict[str, Any], label: int, *, crowds_are_objects: bool = False) -> AnnotatedObject:
    """One entry of COCO's "annotations" as an object of class `label`."""
    box, crowd, area = found.get("bbox"), found.get("iscrowd"), _as_float(found.get("area"))
    problem = None
    if box is not None:
        if not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
            problem = f"expected bbox as four numbers x, y, width, height, found {as_held(box)}"
            box = None
        else:
            left, top, width, height = map(_as_float, box)
            box = (left, top, left + width, top + height)
    if crowd not in (None, 0, 1):  # false and true equal 0 and 1
        problem = f"expected iscrowd 0 or 1, found {as_held(crowd)}"
    is_possible = 0 < area < math.inf and _fits(area, box)
    return AnnotatedObject(
        name=f"annotation {found.get('id')}",
        label=label,
        box=box,
        crowd=bool(crowd) and not crowds_are_objects,
        area=area if is_possible else None,
        segmentation=found.get("segmentation"),
        area_missing=not is_possible,
        problem=problem,
    )


def _fits(area: float, box: Box | None) -> bool:
    """Whether an object of such an area may have the box: not larger, nor in shares of the image."""
    if box is None or not all(map(math.isfinite, box)):
        return True
    width, height = box[2] - box[0], box[3] - box[1]
    # Programs that count both corners give one pixel more on each side.
    return area <= (width + 1) * (height + 1) and (area >= 1 or width * height < _SMALL)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; true and false are not."""
    return type(value) in (int, float)


def _as_float(value: Any) -> float:
    """A JSON number as a float, infinite for an integer that is too large; NaN for anything else."""
    try:
        return float(value) if is_number(value) else math.nan
    except OverflowError:
        return math.inf


def as_held(value: Any) -> str:
    """A value as text, as in the JSON file; a long one is cut."""
    text = json.dumps(value, default=list)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
