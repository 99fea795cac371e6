"""Draws predictions for one image, at the image's own size, with names beside it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.detection.pictures import Drawn, object_panel
from pipeline.evaluate.average_precision import Detections
from pipeline.evaluate.overlays import class_colours, tinted

_LINE, _TEXT, _MARGIN, _WIDEST = 18, 12, 6, 400  # pixels


def segmented(image: np.ndarray, label_map: np.ndarray, class_names: Sequence[str]) -> Image.Image:
    """The image in grey, tinted with the colours of its classes; beside it the classes, the largest first."""
    colours = class_colours(len(class_names))
    labels, counts = np.unique(label_map, return_counts=True)
    order = labels[np.argsort(-counts, kind="stable")]
    lines = [(class_names[label], tuple(colours[label].tolist())) for label in order]
    return _beside(Image.fromarray(tinted(image, label_map, colours)), lines)


def detected(
    image: np.ndarray, found: Detections, class_names: Sequence[str], lowest_score: float
) -> Image.Image:
    """The image with boxes, and masks if any, of the detections with at least this score."""
    shown = np.flatnonzero(found.scores >= lowest_score)
    segments = tuple(found.masks or (None,) * len(found.boxes))
    drawn = Drawn(found.boxes, found.classes, segments, found.scores)
    colours = class_colours(len(class_names))
    return object_panel(image, drawn, shown, colours, list(class_names), max(image.shape[:2]))


def classified(image: np.ndarray, names: Sequence[str], probabilities: Sequence[float]) -> Image.Image:
    """The image, and beside it the most likely classes."""
    lines = [(f"{100 * p:.1f}% {name}", None) for name, p in zip(names, probabilities, strict=True)]
    return _beside(Image.fromarray(image), lines)


def _beside(picture: Image.Image, lines: list[tuple[str, tuple[int, ...] | None]]) -> Image.Image:
    """A picture with lines of text on its right, each after a patch of its colour if it has one."""
    font = ImageFont.load_default(_TEXT)
    indent = _LINE if any(colour for _, colour in lines) else 0
    width = min(_WIDEST, max((int(font.getlength(text)) for text, _ in lines), default=0))
    size = (
        picture.width + 2 * _MARGIN + indent + width,
        max(picture.height, len(lines) * _LINE + _MARGIN),
    )
    sheet = Image.new("RGB", size, "white")
    sheet.paste(picture, (0, 0))
    draw, left = ImageDraw.Draw(sheet), picture.width + _MARGIN
    for place, (text, colour) in enumerate(lines):
        top = _MARGIN + place * _LINE
        if colour:
            draw.rectangle((left, top, left + _TEXT, top + _TEXT), fill=colour, outline="grey")
        draw.text((left + indent, top - 1), text, fill="black", font=font)
    return sheet
