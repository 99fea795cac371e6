"""Pictures of a prepared data set: ten images of each split, with what they are labelled with."""

import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.datasets.channels.pictures import picture_words
from pipeline.datasets.multilabel import label_words
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.splits import SPLITS
from pipeline.detection.pictures import Drawn, object_panel
from pipeline.evaluate.overlays import class_colours, fitted, samples, tinted
from pipeline.storage.files import replacing

_IMAGES = 10
_COLUMNS = 5
_PANEL = 192  # pixels, longer side of an image
_GAP = 8
_LINE = 15  # pixels, of text
_TEXT = 11
_LETTER = 6  # pixels, wide on average
_LETTERS = 30  # of a line
_NAMES = 3  # classes of a label map or of objects that a line lists


def write_data_sheets(dataset: PreparedDataset, output: Path) -> list[Path]:
    """Write `<output>/<split>.png` of every split that has images; what was written.

    The images are spread evenly over the split. Below each stand its class, or the classes on it, and its
    path. Boxes and masks are drawn on it; an image with a label map is shown as it is, and beside that in the
    colours of its classes.

    Raises:
        ValueError, OSError: an image cannot be read any more.
    """
    written = []
    for split in SPLITS[:3]:
        rows = samples(dataset.indices(split), _IMAGES)
        if len(rows):
            tiles = [tile for row in rows.tolist() for tile in _tiles(dataset, row)]
            written.append(output / f"{split}.png")
            _write(written[-1], tiles, _caption(dataset))
    return written


def _caption(dataset: PreparedDataset) -> str:
    """How the pictures come about, where the images are no RGB of 8 bits."""
    return picture_words(tuple(dataset.summary["picture_channels"])) if dataset.has_channels else ""


def _tiles(dataset: PreparedDataset, row: int) -> list[tuple[Image.Image, list[str]]]:
    """(panel, lines below it) of one image; of one with a label map two."""
    image, path = dataset.picture(row), _short(dataset.path(row))
    colours = class_colours(len(dataset.class_names))
    if dataset.annotation == "objects":
        found = dataset.objects(row)
        drawn = Drawn(found.boxes, found.classes, found.segments, crowd=found.crowd)
        panel = object_panel(image, drawn, np.arange(len(found.boxes)), colours, dataset.class_names, _PANEL)
        return [(panel, [_listed(dataset, found.classes) or "(no objects)", path])]
    if dataset.annotation == "label-map":
        labels = dataset.label_map(row)
        shown = fitted(tinted(image, labels, colours), _PANEL)
        return [(fitted(image, _PANEL), ["", path]), (shown, [_listed(dataset, labels[labels >= 0]), ""])]
    words = label_words(dataset, row)
    return [(fitted(image, _PANEL), ["(no label)" if words is None else _short(words), path])]


def _listed(dataset: PreparedDataset, classes: np.ndarray) -> str:
    """The classes that occur, the most frequent first."""
    found, counts = np.unique(classes, return_counts=True)
    names = [dataset.class_names[label] for label in found[np.argsort(-counts, kind="stable")]]
    return _short(", ".join(names[:_NAMES]) + ", ..." * (len(names) > _NAMES))


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"...{text[3 - _LETTERS :]}"


def _write(path: Path, tiles: list[tuple[Image.Image, list[str]]], caption: str) -> None:
    width, height = _PANEL + _GAP, _PANEL + 2 * _LINE + _GAP
    columns = min(_COLUMNS, len(tiles))
    bottom = -(-len(tiles) // columns) * height
    below = textwrap.wrap(caption, columns * width // _LETTER)
    sheet = Image.new("RGB", (columns * width, bottom + len(below) * _LINE), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for place, (panel, lines) in enumerate(tiles):
        left, top = place % columns * width, place // columns * height
        sheet.paste(panel, (left, top))
        for number, line in enumerate(lines):
            draw.text((left, top + _PANEL + number * _LINE + 1), line, fill="black", font=font)
    for number, line in enumerate(below):
        draw.text((0, bottom + number * _LINE), line, fill="black", font=font)
    with replacing(path) as partial:
        sheet.save(partial, format="PNG")
