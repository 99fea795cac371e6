"""Writes panels in rows and columns as one picture."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pipeline.evaluate.overlays import class_colours
from pipeline.storage.files import replacing

PANEL = 160  # pixels, side
GAP = 4
HEADER = 18  # pixels, of the titles
BLEND = 0.55  # strength of the tint on marked patches
TINT = (255, 160, 0)
LINE = 2  # pixels, of boxes


def write_sheet(path: Path, titles: list[str], rows: list[list[np.ndarray]]) -> None:
    """Write panels (PANEL, PANEL, 3) uint8 as a PNG, one title above each column."""
    step = PANEL + GAP
    sheet = Image.new("RGB", (len(titles) * step - GAP, HEADER + len(rows) * step - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((column * step + 2, 3), title, fill="black")
        for row, panels in enumerate(rows):
            sheet.paste(Image.fromarray(panels[column]), (column * step, HEADER + row * step))
    with replacing(path) as partial:
        sheet.save(partial, format="PNG")


def panel(image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) uint8 of any size, resized to a square panel, as it is for the backbone."""
    return np.asarray(Image.fromarray(image).resize((PANEL, PANEL), Image.Resampling.BICUBIC))


def blocks(values: np.ndarray) -> np.ndarray:
    """A panel of flat squares, one per patch, from colours (h, w, 3) or grey values (h, w) in [0, 1]."""
    shades = np.rint(255 * np.asarray(values, np.float64)).astype(np.uint8)
    if shades.ndim == 2:
        shades = np.repeat(shades[..., None], 3, axis=2)
    return np.asarray(Image.fromarray(shades).resize((PANEL, PANEL), Image.Resampling.NEAREST))


def labels(label_map: np.ndarray, num_classes: int) -> np.ndarray:
    """A panel of classes (H, W), each with its own colour; ignored pixels are white."""
    palette = np.concatenate([class_colours(num_classes), np.full((1, 3), 255, np.uint8)])
    shown = palette[label_map]  # IGNORED is the last colour
    return np.asarray(Image.fromarray(shown).resize((PANEL, PANEL), Image.Resampling.NEAREST))


def tinted(shown: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """A panel whose marked patches or pixels, (h, w) bool, are tinted."""
    mask = Image.fromarray(marked.astype(np.uint8)).resize((PANEL, PANEL), Image.Resampling.NEAREST)
    inside = np.asarray(mask).astype(bool)[..., None]
    return np.where(inside, (1 - BLEND) * shown + BLEND * np.array(TINT), shown).astype(np.uint8)


def boxed(shown: np.ndarray, boxes: np.ndarray, width: int, height: int, colour: str) -> np.ndarray:
    """A panel with boxes (n, 4), given in pixels of the image of width x height that the panel shows."""
    drawn = Image.fromarray(shown)
    draw = ImageDraw.Draw(drawn)
    scale = np.array([PANEL / width, PANEL / height] * 2)
    for box in np.clip(boxes * scale, 0, PANEL - 1):
        draw.rectangle(box.tolist(), outline=colour, width=LINE)
    return np.asarray(drawn)
