"""Draws label maps over images: image, ground truth and prediction side by side, with a legend."""

from colorsys import hsv_to_rgb
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.datasets.targets import IGNORED
from pipeline.storage.files import replacing

_PANEL = 192  # pixels, longer side of an image
_GAP = 6
_LINE = 18  # pixels, of text
_TEXT = 12
_LEGEND = 170  # pixels wide
_STRENGTH = 0.65  # of the class colour over the grey image
_GOLDEN = 0.618034  # of a turn of the hue: consecutive classes get different colours
_TONES = ((0.75, 0.95), (0.55, 0.7), (0.95, 0.6))  # saturation and value
_TITLES = ("image", "truth", "prediction")


@dataclass(frozen=True, eq=False)
class Overlay:
    """One row of the picture."""

    image: np.ndarray  # (H, W, 3) uint8
    truth: np.ndarray  # (H, W) integers, or IGNORED
    prediction: np.ndarray  # (H, W) integers


def draw_overlays(path: Path, overlays: list[Overlay], class_names: list[str]) -> None:
    """Write a PNG with a row for each overlay and a legend of their classes; ignored pixels are white."""
    colours = class_colours(len(class_names))
    rows = [_panels(overlay, colours) for overlay in overlays]
    maps = [labels.ravel() for overlay in overlays for labels in (overlay.truth, overlay.prediction)]
    present = np.unique(np.concatenate(maps)).tolist()
    entries = [(class_names[label], tuple(colours[label])) for label in present if label != IGNORED]
    if IGNORED in present:
        entries.append(("(ignored)", (255, 255, 255)))
    left, height = len(_TITLES) * (_PANEL + _GAP), sum(row[0].height + _GAP for row in rows)
    size = (left + _LEGEND, _LINE + max(height, len(entries) * _LINE))
    sheet = Image.new("RGB", size, "white")
    _draw_panels(sheet, rows)
    _draw_legend(sheet, left, entries)
    with replacing(path) as partial:
        sheet.save(partial, format="PNG")


def samples(rows: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` of the rows, spaced evenly, so that the same images are drawn for every network."""
    count = min(count, len(rows))
    return rows[np.linspace(0, len(rows) - 1, count).astype(int)] if count else rows[:0]


def class_colours(num_classes: int) -> np.ndarray:
    """A colour for each class, (num_classes, 3) uint8."""
    colours = [hsv_to_rgb(label * _GOLDEN % 1, *_TONES[label % len(_TONES)]) for label in range(num_classes)]
    return np.rint(255 * np.array(colours)).astype(np.uint8).reshape(-1, 3)


def tinted(image: np.ndarray, label_map: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """The image in grey, tinted with the colours of its classes: (H, W, 3) uint8."""
    grey = image.astype(np.float32).mean(axis=2, keepdims=True)
    tint = np.concatenate([colours, [[255, 255, 255]]])[label_map]  # IGNORED is the last row
    return np.rint((1 - _STRENGTH) * grey + _STRENGTH * tint).astype(np.uint8)


def fitted(picture: np.ndarray, side: int) -> Image.Image:
    """The picture (H, W, 3) uint8, resized so that its longer side has `side` pixels."""
    height, width = picture.shape[:2]
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    # Nearest-neighbour enlargement, so that single labels can be read off.
    kind = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    return Image.fromarray(np.ascontiguousarray(picture)).resize(size, kind)


def _panels(overlay: Overlay, colours: np.ndarray) -> list[Image.Image]:
    pictures = [
        overlay.image,
        *(tinted(overlay.image, labels, colours) for labels in (overlay.truth, overlay.prediction)),
    ]
    return [fitted(picture, _PANEL) for picture in pictures]


def _draw_panels(sheet: Image.Image, rows: list[list[Image.Image]]) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for place, title in enumerate(_TITLES):
        draw.text((place * (_PANEL + _GAP) + 2, 2), title, fill="black", font=font)
    top = _LINE
    for row in rows:
        for place, panel in enumerate(row):
            sheet.paste(panel, (place * (_PANEL + _GAP), top))
        top += row[0].height + _GAP


def _draw_legend(sheet: Image.Image, left: int, entries: list[tuple[str, tuple[int, ...]]]) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for place, (name, colour) in enumerate(entries):
        top = _LINE * (1 + place)
        draw.rectangle((left, top + 2, left + _TEXT, top + 2 + _TEXT), fill=colour, outline="grey")
        draw.text((left + _TEXT + 6, top + 1), name, fill="black", font=font)
