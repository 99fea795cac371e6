"""The objects of one image as read from its source, and their check against the image."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval.core import mask as run_lengths

from pipeline.datasets.objects.segments import compressed, empty_mask, num_pixels
from pipeline.datasets.source import BadAnnotation

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels, continuous
_AT_EDGES = 2.0  # pixels by which a box may exceed its mask or the image: outlines lose a row and a column


class AnnotatedObject(NamedTuple):
    """One object, not yet checked."""

    name: str  # for messages, e.g. "annotation 17"
    label: int  # index of its class
    box: Box | None  # None: tight around its mask
    crowd: bool = False
    area: float | None = None  # pixels; None: of its mask, else of its box
    segmentation: Sequence | dict[str, Any] | None = None  # see `pipeline.datasets.objects.segments`
    area_missing: bool = False  # the source states areas, but no possible one for this object
    problem: str | None = None  # why the object's annotation is refused


@dataclass(frozen=True, slots=True)
class PackedObjects:
    """Checked objects of one image, n of them."""

    image_id: int  # the source's own; -1: none
    boxes: bytes  # (n, 4) float32
    classes: bytes  # (n,) int32
    crowd: bytes  # (n,) bool
    areas: bytes  # (n,) float32
    segments: tuple[bytes, ...]  # compressed run lengths; b"": only a box is known
    dropped: tuple[str, ...]  # names of objects whose box has no area
    empty_masks: tuple[str, ...]  # of objects whose mask covers no pixel
    missing_areas: tuple[str, ...]  # of objects whose area is the mask's or the box's, not the source's
    stray_masks: tuple[str, ...]  # of objects whose mask is elsewhere than the box
    cut_boxes: tuple[str, ...]  # of objects whose box exceeds the image
    corner_boxes: tuple[str, ...]  # of objects whose box is within the image's first pixel
    repeats: tuple[str, ...]  # of objects whose class, box and mask another of the image has
    digest: bytes


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """The objects of one image, possibly none."""

    objects: tuple[AnnotatedObject, ...]
    size: tuple[int, int] | None  # (width, height) of the image that was annotated
    origin: str  # the file of the annotations, for messages
    image_id: int = -1
    is_upright: bool = False  # annotated with the image's EXIF orientation applied; else `size` tells

    def packed(self, width: int, height: int) -> PackedObjects:
        """The objects with boxes clipped to the image; those whose box has no area are dropped.

        Raises:
            BadAnnotation: the annotations are for an image of another size; an object has a problem; a box is
                invalid, outside the image or far too large; or a mask does not fit.
        """
        if self.size is not None and self.size != (width, height):
            raise BadAnnotation(
                f"image of {width} x {height} pixels, annotated as {self.size[0]} x {self.size[1]} "
                f"in {self.origin}"
            )
        kept, boxes, areas, segments = [], [], [], []
        dropped, empty_masks, missing_areas = [], [], []
        stray_masks, cut_boxes, corner_boxes, repeats, seen = [], [], [], [], set()
        for found in self.objects:
            name = f"{found.name} in {self.origin}"
            try:
                segment, box = _checked(found, width, height)
            except BadAnnotation as error:
                raise BadAnnotation(f"{name}: {error}") from error
            if box is None:
                dropped.append(name)
                continue
            is_empty = segment in (b"", empty_mask(width, height))
            if found.segmentation and is_empty:
                empty_masks.append(name)
            if found.box and not is_empty and not _is_around(box, _tight(segment, width, height)):
                stray_masks.append(name)
            if found.box and max(abs(a - b) for a, b in zip(box, found.box, strict=True)) > _AT_EDGES:
                cut_boxes.append(name)
            if max(box) <= 1:
                corner_boxes.append(name)
            if (found.label, box, segment) in seen:
                repeats.append(name)
            seen.add((found.label, box, segment))
            area = found.area
            if area is None or area > width * height:
                if found.area_missing or area is not None:
                    missing_areas.append(name)
                area = _box_area(box) if is_empty else float(num_pixels(segment, width, height))
            kept.append(found)
            boxes.append(box)
            areas.append(area)
            segments.append(segment)
        columns = (
            np.array(boxes, "<f4").tobytes(),
            np.array([found.label for found in kept], "<i4").tobytes(),
            np.array([found.crowd for found in kept], bool).tobytes(),
            np.array(areas, "<f4").tobytes(),
        )
        lengths = np.array([self.image_id, *(len(segment) for segment in segments)], "<i8").tobytes()
        return PackedObjects(
            self.image_id,
            *columns,
            tuple(segments),
            dropped=tuple(dropped),
            empty_masks=tuple(empty_masks),
            missing_areas=tuple(missing_areas),
            stray_masks=tuple(stray_masks),
            cut_boxes=tuple(cut_boxes),
            corner_boxes=tuple(corner_boxes),
            repeats=tuple(repeats),
            digest=hashlib.sha256(b"".join([lengths, *columns, *segments])).digest(),
        )


def _checked(found: AnnotatedObject, width: int, height: int) -> tuple[bytes, Box | None]:
    """(mask, box) of an object; the box is None if it has no area."""
    if found.problem is not None:
        raise BadAnnotation(found.problem)
    segment = compressed(found.segmentation, width, height)
    return segment, _clipped(found.box or _tight(segment, width, height), width, height)


def _clipped(box: Box, width: int, height: int) -> Box | None:
    """The part of a box inside the image; None for a box without area.

    Raises:
        BadAnnotation: not finite, corners in the wrong order, outside the image, or so far beyond it that it
            must be a mistake.
    """
    shown = f"box from ({box[0]:g}, {box[1]:g}) to ({box[2]:g}, {box[3]:g})"
    x1, y1, x2, y2 = box
    if not all(map(math.isfinite, box)) or x2 < x1 or y2 < y1:
        raise BadAnnotation(f"expected a box from its left upper to its right lower corner, found {shown}")
    if x1 == x2 or y1 == y2:
        return None
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        raise BadAnnotation(f"{shown} lies outside the image of {width} x {height} pixels")
    if x1 < -width or y1 < -height or x2 > 2 * width or y2 > 2 * height:
        raise BadAnnotation(f"{shown} reaches far out of the image of {width} x {height} pixels")
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))


def _tight(segment: bytes, width: int, height: int) -> Box:
    """The box around a mask."""
    if not segment:
        raise BadAnnotation("expected a box or a mask, found neither")
    left, top, wide, high = run_lengths.toBbox({"size": [height, width], "counts": segment}).tolist()
    return left, top, left + wide, top + high


def _is_around(box: Box, mask: Box) -> bool:
    """Whether a box belongs to a mask, even if loosely drawn: similar edges, or an IoU of half."""
    if max(abs(a - b) for a, b in zip(box, mask, strict=True)) <= _AT_EDGES:
        return True
    wide = min(box[2], mask[2]) - max(box[0], mask[0])
    high = min(box[3], mask[3]) - max(box[1], mask[1])
    shared = max(wide, 0.0) * max(high, 0.0)
    return 2 * shared >= _box_area(box) + _box_area(mask) - shared


def _box_area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
