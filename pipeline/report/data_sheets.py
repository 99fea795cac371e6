"""Pictures of a prepared data set: ten images of each split with their labels."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.datasets.channels.pictures import picture_words
from pipeline.datasets.multilabel import label_words
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.splits import SPLITS
from pipeline.datasets.targets import IGNORED
from pipeline.detection.pictures import Drawn, object_panel
from pipeline.evaluate.overlays import class_colours, fitted, samples
from pipeline.report.label_panels import background_class, label_panel
from pipeline.storage.files import replacing

_IMAGES = 10
_COLUMNS = 5
_COLUMNS_OF_PAIRS = 4  # an image and its label map side by side
_PANEL = 192  # pixels, longer side of an image
_GAP = 8
_LINE = 15  # pixels, of text
_TEXT = 11
_LETTER = 6  # average width of a character, pixels
_LETTERS = 30  # characters per line
_SQUARE = 9  # side of a colour in a legend, pixels
_NAMES = 3  # largest number of classes of objects in a line
_LEGEND = 6  # classes of a label map that its two lines name


@dataclass(frozen=True)
class _Named:
    """A class of a label map, and its colour; None: its pixels are not coloured."""

    name: str
    colour: tuple[int, int, int] | None


_Tile = tuple[Image.Image, list[str | list[_Named]]]  # panel, lines below it


def write_data_sheets(dataset: PreparedDataset, output: Path) -> list[Path]:
    """Write `<output>/<split>.png` for every split that has images, and return the paths.

    The images are evenly spaced in the split. Each is captioned with its class or classes and its path. Boxes
    and masks are drawn on it; an image with a label map is shown as it is, and beside that in the colours of
    its classes, of which the background has none, with ignored pixels under white stripes.

    Raises:
        ValueError, OSError: an image can no longer be read.
    """
    written = []
    for split in SPLITS[:3]:
        rows = samples(dataset.indices(split), _IMAGES)
        if len(rows):
            tiles = [tile for row in rows.tolist() for tile in _tiles(dataset, row)]
            written.append(output / f"{split}.png")
            columns = _COLUMNS_OF_PAIRS if dataset.annotation == "label-map" else _COLUMNS
            _write(written[-1], tiles, columns, _caption(dataset))
    return written


def _caption(dataset: PreparedDataset) -> str:
    """The caption: the channels shown as RGB, and the colours of label maps; empty for other images."""
    words = [picture_words(tuple(dataset.summary["picture_channels"]))] if dataset.has_channels else []
    if dataset.annotation == "label-map":
        background = _background(dataset)
        if background is not None:
            words.append(f"Without a colour: {_short(dataset.class_names[background])}.")
        words.append("White stripes: ignored pixels.")
    return " ".join(words)


def _background(dataset: PreparedDataset) -> int | None:
    return background_class(dataset.class_names, dataset.summary["format"])


def _tiles(dataset: PreparedDataset, row: int) -> list[_Tile]:
    """(panel, lines below it) of an image; two if it has a label map."""
    image, path = dataset.picture(row), _short(dataset.path(row))
    colours = class_colours(len(dataset.class_names))
    if dataset.annotation == "objects":
        found = dataset.objects(row)
        drawn = Drawn(found.boxes, found.classes, found.segments, crowd=found.crowd)
        panel = object_panel(image, drawn, np.arange(len(found.boxes)), colours, dataset.class_names, _PANEL)
        return [(panel, [_listed(dataset, found.classes) or "(no objects)", path])]
    if dataset.annotation == "label-map":
        labels = dataset.label_map(row)
        background = _background(dataset)
        shown = label_panel(image, labels, colours, background, _PANEL)
        legend = _legend(dataset, labels, colours, background)
        return [(fitted(image, _PANEL), ["", path]), (shown, [legend[:_NAMES], legend[_NAMES:]])]
    words = label_words(dataset, row)
    return [(fitted(image, _PANEL), ["(no label)" if words is None else _short(words), path])]


def _listed(dataset: PreparedDataset, classes: np.ndarray) -> str:
    """The classes that occur, most frequent first."""
    found, counts = np.unique(classes, return_counts=True)
    names = [dataset.class_names[label] for label in found[np.argsort(-counts, kind="stable")]]
    return _short(", ".join(names[:_NAMES]) + ", ..." * (len(names) > _NAMES))


def _legend(
    dataset: PreparedDataset, labels: np.ndarray, colours: np.ndarray, background: int | None
) -> list[_Named]:
    """The classes of a label map with their colours, the most frequent first."""
    found, counts = np.unique(labels, return_counts=True)
    legend = []
    for label in found[np.argsort(-counts, kind="stable")].tolist():
        if label == IGNORED:
            legend.append(_Named("(ignored)", (255, 255, 255)))
        elif label == background:
            legend.append(_Named(dataset.class_names[label], None))
        else:
            legend.append(_Named(dataset.class_names[label], tuple(colours[label].tolist())))
    return legend[:_LEGEND] if len(legend) <= _LEGEND else [*legend[: _LEGEND - 1], _Named("...", None)]


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"...{text[3 - _LETTERS :]}"


def _write(path: Path, tiles: list[_Tile], columns: int, caption: str) -> None:
    width, height = _PANEL + _GAP, _PANEL + 2 * _LINE + _GAP
    columns = min(columns, len(tiles))
    bottom = -(-len(tiles) // columns) * height
    below = textwrap.wrap(caption, columns * width // _LETTER)
    sheet = Image.new("RGB", (columns * width, bottom + len(below) * _LINE), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for index, (panel, lines) in enumerate(tiles):
        left, top = index % columns * width, index // columns * height
        sheet.paste(panel, (left, top))
        for number, line in enumerate(lines):
            place_of_line = left, top + _PANEL + number * _LINE + 1
            if isinstance(line, str):
                draw.text(place_of_line, line, fill="black", font=font)
            else:
                _draw_legend(draw, place_of_line, line, font)
    for number, line in enumerate(below):
        draw.text((0, bottom + number * _LINE), line, fill="black", font=font)
    with replacing(path) as partial:
        sheet.save(partial, format="PNG")


def _draw_legend(draw: ImageDraw.ImageDraw, place: tuple[int, int], line: list[_Named], font) -> None:
    """Names side by side, each behind a square of its colour."""
    left, top = place
    for number, entry in enumerate(line):
        if entry.colour is not None:
            draw.rectangle((left, top + 2, left + _SQUARE, top + 2 + _SQUARE), entry.colour, outline="grey")
            left += _SQUARE + 3
        # What is left of the tile is shared among the names.
        letters = int((place[0] + _PANEL - left) / (len(line) - number) / _LETTER) - 2
        name = entry.name if len(entry.name) <= letters else f"{entry.name[: max(letters - 2, 1)]}.."
        draw.text((left, top), name, fill="black", font=font)
        left += int(draw.textlength(name, font=font)) + 6
