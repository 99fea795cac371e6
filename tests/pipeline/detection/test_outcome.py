"""What a detection leaves behind, from detections that are known."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.config.dense import DetectConfig, DetectHeadConfig, DetectViewConfig, FinetuneSchedule
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.detection.outcome import why_no_masks, why_not, write_outcome
from pipeline.evaluate.average_precision import METRICS, Detections
from pipeline.measures.class_replicates import read_class_replicates
from pipeline.storage.files import read_json

CONFIG = DetectConfig(
    frozen=False,
    heads=DetectHeadConfig(),
    view=DetectViewConfig(test_short_side=32),
    schedule=FinetuneSchedule(num_steps=7, batch_size=3, lr=1e-3, layer_decay=0.8),
    seed=5,
    num_bootstrap=20,
    num_pictures=2,
)


def prepared(folder, drawing="objects", **counts):
    scenes = {"drawing": drawing, "image_size": 32, "num_train": 6, "num_val": 2, "num_test": 8} | counts
    prepare(DataConfig.model_validate({"photo_scenes": scenes}), folder, num_workers=1)
    return PreparedDataset.open(folder)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("objects"))


def truth_found(dataset, *, masks=True):
    for row in dataset.indices("test").tolist():
        objects = dataset.objects(row)
        segments = list(objects.segments) if masks else None
        yield Detections(objects.boxes, np.ones(len(objects.boxes), "f4"), objects.classes, segments)


def test_files_of_a_perfect_detector(dataset, tmp_path):
    """T22: AP 1 for boxes and masks, in rows of both tasks; results are COCO's, as JSON."""
    write_outcome(tmp_path, CONFIG, dataset, truth_found(dataset), masks=True)
    rows = read_json(tmp_path / "rows.json")
    assert {row["task"] for row in rows} == {"detect-box-finetuned", "detect-mask-finetuned"}
    named = {(row["task"], row["metric"]): row for row in rows}
    with np.load(tmp_path / "replicates.npz", allow_pickle=False) as stored:
        replicates = dict(stored)
    for task in ("detect-box-finetuned", "detect-mask-finetuned"):
        assert next(row["metric"] for row in rows if row["task"] == task) == "ap"
        assert named[task, "ap"]["value"] == pytest.approx(1.0)
        assert replicates[f"{task} ap50"] == pytest.approx(1.0)
        assert (task, "ap_small") in named
        assert f"{task} ap_small" not in replicates
        assert (task, "ap_large") not in named, "no object of 32 px is large: no row, not a zero"
    assert {metric for _, metric in named} < set(METRICS)
    assert "7 steps of 3 images" in rows[0]["protocol"]
    assert rows[0]["num_images"] == 8
    with np.load(tmp_path / "replicates.npz") as stored:
        assert stored["detect-mask-finetuned ap75"].shape == (20,)
    results = json.loads((tmp_path / "coco_results.json").read_text())
    first = results[0]
    assert sorted(first) == ["bbox", "category_id", "image_id", "score", "segmentation"]
    assert isinstance(first["segmentation"]["counts"], str)
    assert (tmp_path / "overlay.png").is_file()
    with open(tmp_path / "per_class.csv", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [line["class"] for line in table] == dataset.class_names
    of_boxes = read_class_replicates(tmp_path, "box_ap")
    assert of_boxes.shape == (20, len(table))
    for line in table:
        assert (line["box_ap"], line["mask_ap"]) == (
            ("1.000000",) * 2 if int(line["num_objects"]) else ("",) * 2
        )
    assert {*of_boxes[~np.isnan(of_boxes)].tolist()} == {1.0}


def test_boxes_only(dataset, tmp_path):
    """Without masks there are no rows of masks."""
    config = CONFIG.model_copy(update={"frozen": True, "num_pictures": 0})
    write_outcome(tmp_path, config, dataset, truth_found(dataset, masks=False), masks=False)
    assert {row["task"] for row in read_json(tmp_path / "rows.json")} == {"detect-box-frozen"}
    assert "mask_ap" not in (tmp_path / "per_class.csv").read_text()
    assert not (tmp_path / "overlay.png").exists()


def test_nothing_found_is_zero(dataset, tmp_path):
    """T22: an empty result is AP 0, not an exception."""
    nothing = Detections(np.zeros((0, 4), "f4"), np.zeros(0, "f4"), np.zeros(0, np.int64), [])
    write_outcome(tmp_path, CONFIG, dataset, [nothing] * 8, masks=True)
    rows = {(row["task"], row["metric"]): row["value"] for row in read_json(tmp_path / "rows.json")}
    assert rows["detect-box-finetuned", "ap"] == rows["detect-mask-finetuned", "ap"] == 0


def test_what_cannot_be_detected_in(dataset, tmp_path):
    assert why_not(dataset) is None
    mosaics = prepared(tmp_path / "mosaics", "mosaics")
    assert why_not(mosaics) == "no detection in photo-scenes (mosaics): expected objects, found label-map"
    untested = replace(dataset, _splits=np.zeros_like(dataset._splits))
    assert why_not(untested) == "no detection in photo-scenes (objects): no labelled images in the parts test"


def test_crowds_are_nothing_to_detect(dataset):
    counts = dataset.summary["num_objects"]
    for split in ("train", "test"):
        crowds = replace(
            dataset,
            summary=dataset.summary | {"num_crowds": {"train": 0, "test": 0} | {split: counts[split]}},
        )
        assert why_not(crowds) == (
            f"no detection in photo-scenes (objects): expected objects in the part {split}, "
            f'found {counts[split]} crowds only; data.crowds = "objects" takes them as objects'
        )
    nothing = replace(dataset, summary=dataset.summary | {"num_objects": {"train": 0, "test": 0}})
    assert why_not(nothing).endswith("expected objects in the part train, found none")


def test_masks_that_are_missing(dataset, monkeypatch):
    assert why_no_masks(dataset) is None
    total = sum(len(dataset.objects(row).boxes) for row in dataset.indices("train").tolist())
    original = PreparedDataset.objects

    def without_some(self, row):
        objects = original(self, row)
        return replace(objects, segments=(None,) * len(objects.segments)) if row == 0 else objects

    monkeypatch.setattr(PreparedDataset, "objects", without_some)
    count = len(dataset.objects(0).boxes)
    assert why_no_masks(dataset) == f"no masks: {count} of {total} objects in train have none; boxes only"
