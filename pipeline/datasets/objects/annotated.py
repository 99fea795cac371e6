"""The objects of one image as its source has them, and holding them against the image."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval.core import mask as run_lengths

from pipeline.datasets.objects.segments import compressed
from pipeline.datasets.source import BadAnnotation

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels, continuous


class AnnotatedObject(NamedTuple):
    """One object, not yet looked at."""

    name: str  # for messages, e.g. "annotation 17"
    label: int  # index of its class
    box: Box | None  # None: tight around its mask
    crowd: bool = False
    area: float | None = None  # pixels; None: of its mask, else of its box
    segmentation: Sequence | dict[str, Any] | None = None  # see `pipeline.datasets.objects.segments`


@dataclass(frozen=True, slots=True)
class PackedObjects:
    """Checked objects of one image, n of them."""

    image_id: int  # the source's own; -1: it has none
    boxes: bytes  # (n, 4) float32
    classes: bytes  # (n,) int32
    crowd: bytes  # (n,) bool
    areas: bytes  # (n,) float32
    segments: tuple[bytes, ...]  # compressed run lengths; b"": only a box is known
    num_dropped: int  # boxes of no area
    digest: bytes


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """The objects of one image; none at all is allowed."""

    objects: tuple[AnnotatedObject, ...]
    size: tuple[int, int] | None  # (width, height) that the annotations were made for
    origin: str  # the file that says so, for messages
    image_id: int = -1

    def packed(self, width: int, height: int) -> PackedObjects:
        """The objects with boxes clipped to the image; those whose box has no area are dropped.

        Raises:
            BadAnnotation: the annotations were made for another size; a box is no box or lies outside the
                image; or a mask does not fit.
        """
        if self.size is not None and self.size != (width, height):
            raise BadAnnotation(
                f"image of {width} x {height} pixels, annotated as {self.size[0]} x {self.size[1]} "
                f"in {self.origin}"
            )
        kept, boxes, areas, segments = [], [], [], []
        for found in self.objects:
            try:
                segment = compressed(found.segmentation, width, height)
                box = _clipped(found.box or _tight(segment, width, height), width, height)
            except BadAnnotation as error:
                raise BadAnnotation(f"{found.name} in {self.origin}: {error}") from error
            if box is None:
                continue
            kept.append(found)
            boxes.append(box)
            areas.append(_area(found, box, segment, width, height))
            segments.append(segment)
        return _packed(self.image_id, kept, boxes, areas, segments, len(self.objects) - len(kept))


def _packed(
    image_id: int,
    kept: list[AnnotatedObject],
    boxes: list[Box],
    areas: list[float],
    segments: list[bytes],
    num_dropped: int,
) -> PackedObjects:
    columns = (
        np.array(boxes, "<f4").tobytes(),
        np.array([found.label for found in kept], "<i4").tobytes(),
        np.array([found.crowd for found in kept], bool).tobytes(),
        np.array(areas, "<f4").tobytes(),
    )
    lengths = np.array([image_id, *(len(segment) for segment in segments)], "<i8").tobytes()
    digest = hashlib.sha256(b"".join([lengths, *columns, *segments])).digest()
    return PackedObjects(image_id, *columns, tuple(segments), num_dropped, digest)


def _clipped(box: Box, width: int, height: int) -> Box | None:
    """The part of a box inside the image; None for a box without area.

    Raises:
        BadAnnotation: not finite, corners in the wrong order, or nothing of it inside.
    """
    shown = f"box from ({box[0]:g}, {box[1]:g}) to ({box[2]:g}, {box[3]:g})"
    x1, y1, x2, y2 = box
    if not all(map(math.isfinite, box)) or x2 < x1 or y2 < y1:
        raise BadAnnotation(f"expected a box from its left upper to its right lower corner, found {shown}")
    if x1 == x2 or y1 == y2:
        return None
    x1, x2 = max(x1, 0.0), min(x2, float(width))
    y1, y2 = max(y1, 0.0), min(y2, float(height))
    if x2 <= x1 or y2 <= y1:
        raise BadAnnotation(f"{shown} lies outside the image of {width} x {height} pixels")
    return x1, y1, x2, y2


def _tight(segment: bytes, width: int, height: int) -> Box:
    """The box around a mask."""
    if not segment:
        raise BadAnnotation("expected a box or a mask, found neither")
    left, top, wide, high = run_lengths.toBbox({"size": [height, width], "counts": segment}).tolist()
    return left, top, left + wide, top + high


def _area(found: AnnotatedObject, box: Box, segment: bytes, width: int, height: int) -> float:
    if found.area is not None:
        return found.area
    if segment:
        return float(run_lengths.area({"size": [height, width], "counts": segment}))
    return (box[2] - box[0]) * (box[3] - box[1])
