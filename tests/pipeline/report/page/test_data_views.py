"""What the page shows of a prepared folder."""

import json

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.config.duplicates import DuplicatesConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.report.duplicates import DUPLICATES, find_duplicates
from pipeline.report.page import data_views
from pipeline.report.page.data_views import data_summary
from tests.pipeline.report.page.drawn import picture_size


@pytest.fixture
def artifacts(tmp_path):
    """Five photographs, one of them twice in classes that differ, and a broken file."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("train/a/0", "train/a/1", "train/b/2", "test/a/3", "test/b/4")):
        coarse = Image.fromarray(rng.integers(0, 255, (4, 5, 3)).astype(np.uint8))
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse.resize((100, 80), Image.Resampling.BICUBIC).save(path)
        if number == 0:
            coarse.resize((100, 80), Image.Resampling.BICUBIC).save(tmp_path / "photos/train/copy.png")
    (tmp_path / "photos/train/copy.png").rename(tmp_path / "photos/test/b/copy.png")
    (tmp_path / "photos/train/a/broken.png").write_bytes(b"\x89PNG and no more")
    prepared, duplicates = tmp_path / "prepared", tmp_path / "duplicates"
    for folder in (prepared, duplicates):
        folder.mkdir()
    config = DataConfig(source=str(tmp_path / "photos"), val_share=0.0, max_bad_share=0.5)
    prepare(config, prepared, num_workers=1)
    found = find_duplicates(PreparedDataset.open(prepared), DuplicatesConfig())
    (duplicates / DUPLICATES).write_text(json.dumps(found))
    return tmp_path, prepared, duplicates


def test_pairs_are_shown_with_their_parts_and_classes(artifacts):
    _, prepared, duplicates = artifacts
    data = data_summary(PreparedDataset.open(prepared), duplicates)
    assert data.counts == {"train": 3, "val": 0, "test": 3}
    assert data.sizes == "100 x 80"
    assert data.doubles == ["test images that are in train too: 1 equal"]
    (pair,) = data.pairs
    assert [(each["path"], each["part"], each["class"]) for each in pair.images] == [
        ("test/b/copy.png", "test", "b"), ("train/a/0.png", "train", "a"),
    ]  # fmt: skip
    assert (pair.kind, pair.same_class) == ("equal", False)
    assert picture_size(pair.images[0]["image"]) == (72, 58)


def test_what_is_left_out_has_a_picture_where_it_can_be_decoded(artifacts):
    root, prepared, duplicates = artifacts
    (data,) = [data_summary(PreparedDataset.open(prepared), duplicates)]
    assert [(each.path, each.image) for each in data.quarantine] == [("train/a/broken.png", None)]
    lines = "path,reason\ntrain/a/1.png,no label map\n../outside.png,a path that leads out\ngone.png,gone\n"
    (prepared / "quarantine.csv").write_text(lines)
    Image.new("RGB", (9, 9)).save(root / "outside.png")
    shown = data_summary(PreparedDataset.open(prepared), duplicates).quarantine
    assert [(each.path, each.reason) for each in shown[:1]] == [("train/a/1.png", "no label map")]
    assert picture_size(shown[0].image) == (72, 58)
    assert [each.image for each in shown[1:]] == [None, None]


def test_data_that_were_not_compared_say_nothing_of_it(artifacts):
    _, prepared, _ = artifacts
    data = data_summary(PreparedDataset.open(prepared), None)
    assert (data.doubles, data.pairs, data.compared) == ([], [], "")


def test_sizes_are_of_the_smallest_the_median_and_the_largest_image(artifacts):
    root, prepared, _ = artifacts
    sizes = {"a": (300, 20), "b": (90, 100), "c": (2, 5)}
    for name, size in sizes.items():
        Image.new("RGB", size, "red").save(root / "photos" / "train" / "a" / f"{name}.png")
    prepare(DataConfig(source=str(root / "photos"), max_bad_share=0.5), prepared, num_workers=1)
    assert data_summary(PreparedDataset.open(prepared), None).sizes == "2 x 5 to 90 x 100, median 100 x 80"


def test_the_balance_of_many_classes_is_said_in_words(artifacts, monkeypatch):
    _, prepared, _ = artifacts
    assert data_summary(PreparedDataset.open(prepared), None).class_sizes == ""
    monkeypatch.setattr(data_views, "_MOST_CLASSES", 1)
    data = data_summary(PreparedDataset.open(prepared), None)
    assert data.balance is None
    assert data.class_sizes == "1 (b) to 2 (a) training images a class, median 2"
