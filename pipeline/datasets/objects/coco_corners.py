"""Detects COCO files whose boxes are two corners, by the areas that they state too."""

import math
from itertools import chain, islice

from pipeline.datasets.objects.coco_entries import as_held, is_number
from pipeline.datasets.objects.coco_file import CocoFile

_LOOKED_AT = 2000  # annotations of a file
_FEWEST = 5  # boxes for which the two readings differ


def refuse_corners(file: CocoFile) -> None:
    """Refuse a file whose boxes are x1, y1, x2, y2 instead of COCO's x, y, width, height.

    Read as COCO's, such boxes are too large, often still inside their images. A box without a mask is
    evidence if its area is the one computed from corners and not width times height.

    Raises:
        ValueError: all boxes that are evidence for one reading are evidence for corners.
    """
    annotations = islice(chain.from_iterable(file.annotations.values()), _LOOKED_AT)
    telling, says_corners = [], []
    for found in annotations:
        box, area = found.get("bbox"), found.get("area")
        if found.get("segmentation") or not isinstance(box, list) or len(box) != 4:
            continue
        if not all(map(is_number, (*box, area))):
            continue
        x, y, third, fourth = box
        is_sides, is_corners = _agree(area, third * fourth), _agree(area, (third - x) * (fourth - y))
        if is_sides != is_corners:
            telling.append(found)
            says_corners.append(is_corners)
    if len(telling) >= _FEWEST and all(says_corners):
        first = telling[0]
        raise ValueError(
            f"{file.path}: annotation {first.get('id')}: expected bbox as x, y, width, height, found two "
            f"corners: {as_held(first['bbox'])} with area {first['area']}, and so {len(telling)} boxes"
        )


def _agree(area: float, product: float) -> bool:
    return area > 0 and math.isclose(area, product, rel_tol=0.01)
