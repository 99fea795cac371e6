"""How the corners in VOC's xml files are counted: VOC's own from 1, most other programs' from 0."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.datasets.objects.annotated import Box

# Added to the near and to the far corner to get a continuous box.
COUNTINGS = {"from-1": (-1.0, 0.0), "from-0": (0.0, 0.0), "pixels-from-0": (0.0, 1.0)}

_WORDS = {
    "from-1": "from 1, both inside the box",
    "from-0": "from 0, the far one outside the box",
    "pixels-from-0": "from 0, both inside the box",
}
_ROUNDING = 1e-3  # a whole number that was stored in 32 bits still counts as one
# VOC 2012, which counts from 1, has 2 files with decimals among its 17,125.
_DECIMAL_SHARE = 0.01
_FEWEST_INSIDE = 3  # objects that end one pixel before the edge; fewer may do so by chance


class Corners(NamedTuple):
    """xmin, ymin, xmax, ymax as in the file."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def box(self, counting: str) -> Box:
        """The continuous box, for one of COUNTINGS."""
        near, far = COUNTINGS[counting]
        return self.xmin + near, self.ymin + near, self.xmax + far, self.ymax + far


def counting_of(found: Sequence[tuple[Corners, tuple[int, int] | None]], stated: str) -> tuple[str, str]:
    """(counting of a whole data set: one of COUNTINGS, a line about it).

    A near corner of 0 or decimals are evidence for counting from 0; without these, a far corner equal to the
    width or height is evidence for counting from 1.

    Args:
        found: corners and (width, height) of the image, where known, of every object.
        stated: `data.corners`: "auto" or one of COUNTINGS.
    """
    if stated != "auto":
        return stated, f"corners: counted {_WORDS[stated]}, as data.corners says"
    found = [(corners, size) for corners, size in found if all(map(math.isfinite, corners))]
    total = len(found)
    num_zero = sum(min(corners.xmin, corners.ymin) < 1 for corners, _ in found)
    num_decimal = sum(any(map(_is_decimal, corners)) for corners, _ in found)
    num_last = sum(size is not None and _reaches(corners, size) for corners, size in found)
    if num_zero:
        why = f"{num_zero} of {total} objects have a corner below 1"
        line = f"corners: counted {_WORDS['from-0']}, because {why}; else set data.corners"
        num_inside = sum(size is not None and _ends_inside(corners, size) for corners, size in found)
        if not num_decimal and not num_last and num_inside >= _FEWEST_INSIDE:
            line = (
                f"caution: {line}: {num_inside} end one pixel before the image's edge and none at it, as "
                'with "pixels-from-0"'
            )
        return "from-0", line
    if num_decimal > _DECIMAL_SHARE * total:
        why = f"{num_decimal} of {total} objects have corners between whole numbers"
        return "from-0", f"corners: counted {_WORDS['from-0']}, because {why}; else set data.corners"
    if num_last:
        why = f"no corner is 0, and {num_last} of {total} objects end at the image's last pixel"
        return "from-1", f"corners: counted {_WORDS['from-1']}, because {why}; else set data.corners"
    why = "as VOC defines it; nothing in the files shows it, so check a box and set data.corners"
    return "from-1", f"caution: corners: counted {_WORDS['from-1']}, {why}"


def _is_decimal(value: float) -> bool:
    return abs(value - round(value)) > _ROUNDING


def _reaches(corners: Corners, size: tuple[int, int]) -> bool:
    return corners.xmax == size[0] or corners.ymax == size[1]


def _ends_inside(corners: Corners, size: tuple[int, int]) -> bool:
    return corners.xmax == size[0] - 1 or corners.ymax == size[1] - 1
