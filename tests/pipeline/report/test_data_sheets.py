"""What the pictures of prepared data show, held against the data."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig, PhotoScenesConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.evaluate.overlays import class_colours
from pipeline.report.data_sheets import write_data_sheets

PANEL, WIDE, HIGH = 192, 200, 230  # pixels: an image, and a tile with its gap and its two lines
LINE = 15  # of text below all


def drawn(tmp_path, **photo_scenes):
    counts = {"num_train": 12, "num_val": 1, "num_test": 3}
    config = DataConfig(photo_scenes=PhotoScenesConfig(**counts, **photo_scenes), max_bad_share=0.5)
    prepare(config, tmp_path / "data", num_workers=1)
    dataset = PreparedDataset.open(tmp_path / "data")
    paths = write_data_sheets(dataset, tmp_path / "sheets")
    return dataset, {path.stem: np.asarray(Image.open(path)) for path in paths}


def tile(sheet, place, columns=5):
    left, top = place % columns * WIDE, place // columns * HIGH
    return sheet[top : top + HIGH, left : left + WIDE]


def test_ten_images_of_each_split_evenly_spread(tmp_path):
    for number in range(30):
        image = Image.new("RGB", (40, 20), (8 * number, 100, 250 - 8 * number))
        split, name = ("train", number) if number < 25 else ("test", number)
        path = tmp_path / f"photos/{split}/{'ab'[number % 2]}/{name:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    prepare(DataConfig(source=str(tmp_path / "photos"), val_share=0.0), tmp_path / "data", num_workers=1)
    dataset = PreparedDataset.open(tmp_path / "data")
    paths = write_data_sheets(dataset, tmp_path / "sheets")
    assert [path.name for path in paths] == ["train.png", "test.png"]
    train, test = (np.asarray(Image.open(path)) for path in paths)
    assert train.shape == (2 * HIGH, 5 * WIDE, 3)
    assert test.shape == (HIGH, 5 * WIDE, 3)
    # Rows 0, 2, 5, 8, ... of 25; the longer side fills the panel, the shorter keeps its share.
    for place, row in enumerate([0, 2, 5, 8, 10, 13, 16, 18, 21, 24]):
        shown = tile(train, place)
        assert (shown[:96, :PANEL] == dataset.image(dataset.indices("train")[row])[0, 0]).all()
        assert (shown[96:PANEL] == 255).all()
        assert shown[PANEL:].min() < 100, "text"


def test_boxes_and_masks_are_drawn_in_the_colour_of_their_class(tmp_path):
    dataset, sheets = drawn(tmp_path, drawing="objects")
    row = next(row for row in dataset.indices("test") if len(dataset.objects(row).boxes))
    place = list(dataset.indices("test")).index(row)
    found = dataset.objects(row)
    x, y = (found.boxes[0, :2] * PANEL / 32).astype(int) + 1
    height = tile(sheets["test"], place, columns=3)
    assert (height[y + 20 : y + 24, x] == class_colours(len(dataset.class_names))[found.classes[0]]).all()


def test_label_maps_are_shown_beside_their_images(tmp_path):
    dataset, sheets = drawn(tmp_path, drawing="mosaics")
    assert sheets["val"].shape == (HIGH + LINE, 2 * WIDE, 3)
    assert sheets["train"].shape == (5 * HIGH + LINE, 4 * WIDE, 3)
    row = dataset.indices("val")[0]
    image, labels = dataset.image(row), dataset.label_map(row)
    step = PANEL // 32
    assert (tile(sheets["val"], 0, 2)[:PANEL:step, :PANEL:step] == image).all()
    expected = (image.astype(int) + class_colours(len(dataset.class_names))[labels]) / 2
    middle = tile(sheets["val"], 1, 2)[step // 2 : PANEL : step, step // 2 : PANEL : step]
    assert np.abs(middle - expected).max() <= 0.51, "outlines go round the pixels, not through them"


@pytest.mark.parametrize("name", ["x" * 300, "日本", "a\nb", "\u202e"])
def test_any_class_name_can_be_written(tmp_path, name):
    stream = io.BytesIO()
    Image.new("RGB", (5, 1)).save(stream, "PNG")
    list_file = tmp_path / "l.csv"
    (tmp_path / "1.png").write_bytes(stream.getvalue())
    list_file.write_text(f'path,label\n1.png,"{name}"\n', encoding="utf-8")
    prepare(DataConfig(source=str(list_file), test_share=0.0), tmp_path / "data", num_workers=1)
    assert write_data_sheets(PreparedDataset.open(tmp_path / "data"), tmp_path / "sheets")
