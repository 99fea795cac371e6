"""Draws ground truth and detections in images side by side."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as run_lengths
from PIL import Image, ImageDraw, ImageFont

from pipeline.evaluate.overlays import class_colours
from pipeline.storage.files import replacing

_PANEL = 256  # pixels, longer side of an image
_GAP = 6
_LINE = 18  # pixels, of the titles
_TEXT = 11
_WHITE = (255, 255, 255)
_STRENGTH = 0.45  # of the class colour within a mask
_TITLES = ("truth", "found: the best, as many as true")


@dataclass(frozen=True, eq=False)
class Drawn:
    """Objects of one image."""

    boxes: np.ndarray  # (n, 4) pixels
    classes: np.ndarray  # (n,)
    segments: tuple[dict[str, Any] | None, ...]  # run lengths; None: the box only
    scores: np.ndarray | None = None  # (n,); None: ground truth
    crowd: np.ndarray | None = None  # (n,) bool; drawn in white


@dataclass(frozen=True, eq=False)
class Sample:
    """One row of the picture."""

    image: np.ndarray  # (H, W, 3) uint8
    truth: Drawn
    found: Drawn


def draw_samples(path: Path, samples: list[Sample], class_names: list[str]) -> None:
    """Write a PNG with a row for each sample.

    The highest-scored detections are drawn, as many as there are objects and at least one, so that even a
    weak detector, whose scores are all low, shows its confusions.
    """
    colours = class_colours(len(class_names))
    rows = [
        [
            object_panel(sample.image, drawn, shown, colours, class_names, _PANEL)
            for drawn, shown in (
                (sample.truth, np.arange(len(sample.truth.boxes))),
                (sample.found, _best(sample)),
            )
        ]
        for sample in samples
    ]
    height = sum(row[0].height + _GAP for row in rows)
    sheet = Image.new("RGB", (len(_TITLES) * (_PANEL + _GAP), _LINE + height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    top = _LINE
    for place, title in enumerate(_TITLES):
        draw.text((place * (_PANEL + _GAP) + 2, 2), title, fill="black", font=font)
    for row in rows:
        for place, panel in enumerate(row):
            sheet.paste(panel, (place * (_PANEL + _GAP), top))
        top += row[0].height + _GAP
    with replacing(path) as partial:
        sheet.save(partial, format="PNG")


def _best(sample: Sample) -> np.ndarray:
    """Indices of the detections to draw, the highest score first."""
    count = max(1, len(sample.truth.boxes))
    return np.argsort(-sample.found.scores, kind="stable")[:count]


def object_panel(
    image: np.ndarray, drawn: Drawn, shown: np.ndarray, colours: np.ndarray, class_names: list[str], side: int
) -> Image.Image:
    """The image with the objects of indices `shown`, drawn from last to first, so that the first is on top.

    Args:
        image: (H, W, 3) uint8.
        colours: (num_classes, 3) uint8.
        side: pixels; length of the longer side of the result.
    """
    height, width = image.shape[:2]
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    paints = [tuple(colours[drawn.classes[i]].tolist()) for i in shown]
    if drawn.crowd is not None:
        paints = [_WHITE if drawn.crowd[i] else paint for i, paint in zip(shown, paints, strict=True)]
    pixels = image.astype(np.float32)
    for index, paint in zip(shown[::-1], paints[::-1], strict=True):
        if drawn.segments[index] is not None:
            mask = run_lengths.decode(drawn.segments[index]).astype(bool)
            pixels[mask] = (1 - _STRENGTH) * pixels[mask] + _STRENGTH * np.array(paint)
    kind = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    panel = Image.fromarray(np.rint(pixels).astype(np.uint8)).resize(size, kind)
    for index, paint in zip(shown[::-1], paints[::-1], strict=True):
        name = class_names[drawn.classes[index]]
        label = name if drawn.scores is None else f"{name} {drawn.scores[index]:.2f}"
        _box(ImageDraw.Draw(panel), (drawn.boxes[index] * factor).tolist(), label, paint)
    return panel


def _box(draw: ImageDraw.ImageDraw, box: list[float], label: str, paint: tuple[int, ...]) -> None:
    font = ImageFont.load_default(_TEXT)
    x1, y1, x2, y2 = box
    draw.rectangle((x1, y1, max(x2 - 1, x1), max(y2 - 1, y1)), outline=paint, width=2)
    left, top, right, bottom = draw.textbbox((x1 + 2, y1 + 1), label, font=font)
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=(0, 0, 0))
    draw.text((x1 + 2, y1 + 1), label, fill=paint, font=font)
