from pathlib import Path

import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths

from pipeline.config.data import DataConfig, PhotoScenesConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.photo_scenes import draw
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.summary_lines import described
from pipeline.storage.files import read_json
from stages.prepare import run

COUNTS = {"num_train": 6, "num_val": 3, "num_test": 4}


@pytest.mark.parametrize("drawing", ["patches", "mosaics", "objects"])
def test_photo_scenes(tmp_path, capsys, drawing):
    config = DataConfig(photo_scenes=PhotoScenesConfig(drawing=drawing, **COUNTS))
    digest = run(config, tmp_path, runtime=RuntimeConfig())
    dataset = PreparedDataset.open(tmp_path)
    assert digest == dataset.content_digest
    assert [len(dataset.indices(split)) for split in ("train", "val", "test")] == [6, 3, 4]
    assert "6 train, 3 val, 4 test" in capsys.readouterr().out
    assert read_json(tmp_path / "card.json")
    assert dataset.annotation == {"patches": "class", "mosaics": "label-map", "objects": "objects"}[drawing]


def test_photo_scenes_hold_what_is_drawn(tmp_path):
    counts = PhotoScenesConfig(drawing="mosaics", **COUNTS)
    run(DataConfig(photo_scenes=counts), tmp_path / "mosaics", runtime=RuntimeConfig())
    dataset, drawn = PreparedDataset.open(tmp_path / "mosaics"), draw(counts)
    expected = np.concatenate(list(drawn.label_maps.values()))
    for i in range(len(dataset)):
        assert np.array_equal(dataset.label_map(i), expected[i])
    counts = counts.model_copy(update={"drawing": "objects"})
    run(DataConfig(photo_scenes=counts), tmp_path / "objects", runtime=RuntimeConfig())
    dataset, drawn = PreparedDataset.open(tmp_path / "objects"), draw(counts)
    assert dataset.category_ids == list(range(1, len(dataset.class_names) + 1))
    i = 0
    for split, found in drawn.annotations.items():
        assert np.array_equal(dataset.indices(split), i + np.arange(len(found["images"])))
        for image in found["images"]:
            wanted = [one for one in found["annotations"] if one["image_id"] == image["id"]]
            objects = dataset.objects(i)
            assert objects.classes.tolist() == [one["category_id"] - 1 for one in wanted]
            assert objects.areas.tolist() == [one["area"] for one in wanted]
            runs = [run_lengths.frPyObjects(one["segmentation"], 32, 32) for one in wanted]
            masks = [run_lengths.decode(of_object) for of_object in runs]
            assert np.array_equal(objects.masks(32, 32), np.array(masks).reshape(-1, 32, 32))
            i += 1
    assert i == len(dataset) == 13


def test_what_was_left_out_is_said():
    summary = {
        "name": "x", "format": "archive", "counts": {"train": 2}, "split_names": {"train": "all images"},
        "class_names": [], "num_quarantined": 3, "num_unused": 4, "num_outside_splits": 5,
        "duplicates": {"test_in_train": 6}, "annotation": "class", "notes": ["caution: 7"],
        "flat_channels": [],
    }  # fmt: skip
    lines = described(summary, Path("out"))
    assert lines[0] == "x (archive): 2 train (all images); 0 classes"
    assert [int("".join(filter(str.isdigit, line))) for line in lines[1:]] == [7, 3, 4, 5, 6]


def test_one_line_on_pixels_or_objects():
    summary = {
        "name": "x", "format": "camvid", "counts": {"train": 2, "val": 1}, "class_names": list("abcdef"),
        "split_names": {"train": "train", "val": "val"}, "num_quarantined": 0, "num_unused": 0,
        "num_outside_splits": 0, "duplicates": {"test_in_train": 0}, "annotation": "label-map",
        "class_counts": {"train": [0, 5, 30, 0, 0, 1], "val": [0, 0, 40, 4, 0, 0], "test": [0] * 6},
        "num_ignored_pixels": {"train": 10, "val": 10, "test": 0}, "notes": [], "flat_channels": [],
        "num_images": 9, "num_all_ignored": 2,
    }  # fmt: skip
    assert described(summary)[1:] == [
        "pixels: c 70.0%, b 5.0%, d 4.0%, f 1.0%, a 0.0%, ...; ignored 20.0%",
        "caution: 2 of 9 label maps hold ignored pixels alone",
    ]
    summary |= {
        "annotation": "objects", "num_objects": {"train": 36, "val": 44, "test": 0}, "num_dropped_boxes": 0,
        "num_crowds": {"train": 1, "val": 0}, "num_without_objects": {"train": 0, "val": 3},
        "num_empty_masks": 0, "num_missing_areas": 0, "num_masks": 80,
        "num_stray_masks": 0, "num_cut_boxes": 0, "num_corner_boxes": 0, "num_repeats": 0,
        "crowd_counts": {"train": [0, 1, 0, 0, 0, 0], "val": [0] * 6, "test": [0] * 6},
    }  # fmt: skip
    line = "objects: 36 train, 44 val; c 70, b 5, d 4, f 1; crowds: 1; images without objects: 3"
    assert described(summary)[1:] == [line]
    summary |= {
        "num_masks": 20, "num_dropped_boxes": 2,
        "first_dropped_boxes": ["annotation 3 in a.json", "annotation 4 in a.json"],
        "num_empty_masks": 7, "first_empty_masks": ["annotation 5 in a.json"],
        "num_missing_areas": 1, "first_missing_areas": ["annotation 6 in a.json"],
        "crowd_counts": {"train": [0, 5, 0, 0, 0, 1], "val": [0] * 6, "test": [0] * 6},
        "notes": ["corners: counted from 0"], "flat_channels": ["G", "B"],
    }  # fmt: skip
    assert described(summary)[2:] == [
        "caution: 20 of 80 objects have a mask, the others a box alone",
        "left out: 2 objects whose box has no area: annotation 3 in a.json, annotation 4 in a.json",
        "caution: 7 objects whose mask covers no pixel: annotation 5 in a.json, ...",
        "areas: 1 objects have none or an impossible one, and get their mask's or box's: "
        "annotation 6 in a.json",
        "caution: every object of b, f is a crowd, which is neither trained on nor scored; "
        'some programs write masks with parts or holes so: data.crowds = "objects" takes them as objects',
        "corners: counted from 0",
        "caution: the training images do not vary in G, B; "
        'with normalization = "dataset", one grey level counts as a standard deviation there',
    ]


def test_pictures_of_the_data_are_drawn_and_never_in_the_way(tmp_path, capsys, monkeypatch):
    config = DataConfig(photo_scenes=PhotoScenesConfig(**COUNTS))
    digest = run(config, tmp_path / "drawn", runtime=RuntimeConfig())
    assert sorted(path.name for path in (tmp_path / "drawn/sheets").iterdir()) == [
        "test.png", "train.png", "val.png",
    ]  # fmt: skip

    def fail(*_):
        raise ZeroDivisionError("of the drawing")

    monkeypatch.setattr("stages.prepare.write_data_sheets", fail)
    assert run(config, tmp_path / "not", runtime=RuntimeConfig()) == digest
    assert "caution: no pictures of the data were drawn: of the drawing" in capsys.readouterr().out
