"""Converts COCO's three formats of a mask to one: compressed run lengths along the columns."""

from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from faster_coco_eval.core import mask as run_lengths
from faster_coco_eval.mask_api_new_cpp import toUncompressedRLE

from pipeline.datasets.source import BadAnnotation

_FEWEST = 6  # numbers of a polygon: three corners


def compressed(segmentation: Sequence | dict[str, Any] | None, width: int, height: int) -> bytes:
    """The run lengths of a mask of `width` x `height` pixels; b"" without a mask.

    Polygons with fewer than three corners, such as a box's two, and run lengths without pixels give no mask.

    Args:
        segmentation: polygons, each x, y, x, y, ... in pixels, of which the mask is the union; or
            {"size": [height, width], "counts": ...} with run lengths as numbers or compressed.

    Raises:
        BadAnnotation: another size than the image's, run lengths with another sum, or an invalid polygon.
    """
    if not segmentation:
        return b""
    if isinstance(segmentation, dict):
        return _checked_runs(segmentation, width, height)
    if not isinstance(segmentation, list | tuple):
        raise BadAnnotation(f"expected polygons or run lengths, found {segmentation!r}")
    corners = [_corners(polygon, width, height) for polygon in segmentation]
    areas = [polygon for polygon in corners if len(polygon) >= _FEWEST]
    return run_lengths.segmToRle(areas, width, height)["counts"] if areas else b""


@lru_cache
def empty_mask(width: int, height: int) -> bytes:
    """The run lengths of a mask without pixels, as for an outline that contains no pixel's centre."""
    nothing = {"size": [height, width], "counts": [height * width]}
    return run_lengths.segmToRle(nothing, width, height)["counts"]


def num_pixels(segment: bytes, width: int, height: int) -> int:
    """Number of pixels in the run lengths of a mask of `width` x `height` pixels."""
    return int(run_lengths.area({"size": [height, width], "counts": segment}))


def _checked_runs(segmentation: dict[str, Any], width: int, height: int) -> bytes:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list | tuple) or list(size) != [height, width]:
        raise BadAnnotation(f"image of {width} x {height} pixels, run lengths of size {size} (height, width)")
    if isinstance(counts, str):
        counts = counts.encode("ascii", "replace")
    if isinstance(counts, bytes):
        try:
            found = toUncompressedRLE([{"size": size, "counts": counts}])[0]["counts"]
        except (ValueError, RuntimeError) as error:
            raise BadAnnotation(f"run lengths in compressed form that are damaged: {error}") from error
    elif isinstance(counts, list) and all(isinstance(run, int) and run >= 0 for run in counts):
        found = counts
    else:
        raise BadAnnotation("expected run lengths as whole numbers from 0, or compressed as text")
    if sum(found) != width * height:
        raise BadAnnotation(
            f"run lengths add up to {sum(found)} pixels, expected {width} x {height} = {width * height}"
        )
    if not any(found[1::2]):
        return b""
    if isinstance(counts, bytes):
        return counts
    return run_lengths.segmToRle({"size": [height, width], "counts": counts}, width, height)["counts"]


def _corners(polygon: Any, width: int, height: int) -> list[float]:
    """One polygon, checked; corners may be outside the image, but not so far that it must be a mistake."""
    try:
        numbers = array("d", polygon)
    except (TypeError, OverflowError) as error:
        raise BadAnnotation(f"expected polygons as lists of x, y, x, y, ...: {error}") from error
    if len(numbers) % 2:
        raise BadAnnotation(f"expected polygons as lists of x, y, x, y, ..., found {len(numbers)} numbers")
    for values, side in ((numbers[::2], width), (numbers[1::2], height)):
        # Outlines are drawn pixel by pixel, so such a corner would also cost memory.
        outside = [value for value in values if not -side <= value <= 2 * side]
        if outside:
            raise BadAnnotation(
                f"a polygon's corner at {outside[0]:g} is far outside the image of {width} x {height} pixels"
            )
    return numbers.tolist()
