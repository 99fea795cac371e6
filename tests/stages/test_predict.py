"""`doit run predict`: on an experiment's own test images it says what its evaluation scored."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.config.dense import (
    DetectConfig,
    DetectHeadConfig,
    DetectViewConfig,
    FinetuneSchedule,
    SegmentConfig,
    SegmentHeadConfig,
    SegmentViewConfig,
)
from pipeline.config.finetune import ClassificationSchedule, ClassificationViewConfig, FinetuneConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.evaluate.mean_iou import SegmentationCounts, class_areas, set_scores
from pipeline.inference.images import Decoding, open_images
from stages import detect, finetune, segment
from stages import predict as stage

RUNTIME = RuntimeConfig(threads=1)
SCHEDULE = FinetuneSchedule(num_steps=6, batch_size=4, lr=5e-3, warmup_steps=1)


def drawn(drawing, folder):
    scenes = {"drawing": drawing, "image_size": 33, "num_train": 8, "num_val": 2, "num_test": 6}
    folder.mkdir()
    prepare(DataConfig.model_validate({"photo_scenes": scenes}), folder, num_workers=1)
    return folder


def predicted(task, trained, file, prepared, output, damaged=True):
    """Predictions for the test images as files, one damaged among them; the data set and its test rows."""
    from pipeline.inference.models import open_model
    from pipeline.inference.predicting import Predictions

    dataset, images = PreparedDataset.open(prepared), output / "images"
    images.mkdir(parents=True)
    rows = dataset.indices("test").tolist()
    for row in rows:
        Image.fromarray(dataset.image(row)).save(images / f"{row:05d}.png")
    (images / "00000-damaged.jpg").write_bytes(b"\xff\xd8\xff")
    decoding, seen = Decoding.of_prepared(prepared), []
    source = open_images(str(images), decoding.max_pixels)
    predictions = Predictions(
        open_model(trained / file, task), source, decoding, output, dataset.category_ids, 1, 2, 0.0,
        lambda *counts: seen.append(counts),
    )  # fmt: skip
    bad = getattr(predictions, task)()
    assert [path for path, _ in bad] == ["00000-damaged.jpg"]
    assert np.sum(seen, axis=0).tolist() == [len(rows) + 1, 1]
    assert len(list((output / "overlays").iterdir())) == 2
    return dataset, rows


def test_label_maps_have_the_miou_of_the_evaluation(backbone, tmp_path):
    data, trained, output = drawn("mosaics", tmp_path / "data"), tmp_path / "trained", tmp_path / "out"
    trained.mkdir()
    view = SegmentViewConfig(crop_size=24, resize=(24, 60), inference="slide", stride=13, photometric=False)
    config = SegmentConfig(
        head="linear",
        frozen=False,
        heads=SegmentHeadConfig(width=16, auxiliary_width=8),
        view=view,
        schedule=SCHEDULE,
        seed=0,
        num_bootstrap=9,
        num_pictures=0,
    )
    segment.run(config, trained, backbone=backbone, data=data, runtime=RUNTIME)
    dataset, rows = predicted("segment", trained, "model.safetensors", data, output)
    counts = SegmentationCounts(len(dataset.class_names))
    for row in rows:
        with Image.open(output / "label_maps" / f"{row:05d}.png") as picture:
            assert picture.mode == "P"
            counts.add(dataset.label_map(row), np.asarray(picture).astype(np.int16))
    scored = {row["metric"]: row["value"] for row in json.loads((trained / "rows.json").read_text())}
    assert set_scores(class_areas(counts.confusion)) == pytest.approx(scored, abs=1e-12)
    with open(output / "classes.csv", newline="") as stream:
        assert [line["class"] for line in csv.DictReader(stream)] == dataset.class_names


def test_detections_are_those_of_the_evaluation(backbone, tmp_path):
    data, trained, output = drawn("objects", tmp_path / "data"), tmp_path / "trained", tmp_path / "out"
    trained.mkdir()
    heads = DetectHeadConfig(
        width=16, num_levels=4, anchor_scale=4, finest_scale=16, inner_anchors_only=False, rpn_samples=32,
        num_proposals_per_level=40, num_proposals=30, num_test_proposals_per_level=40, num_test_proposals=20,
        roi_samples=16, box_convs=1, box_fcs=1, box_hidden_dim=32, mask_convs=1, score_threshold=0.0,
        max_detections=5,
    )  # fmt: skip
    view = DetectViewConfig(short_sides=(32,), max_long_side=64, test_short_side=32, crop_sizes=(24, 48))
    config = DetectConfig(
        frozen=False, heads=heads, view=view, schedule=SCHEDULE, seed=0, num_bootstrap=9, num_pictures=0
    )
    detect.run(config, trained, backbone=backbone, data=data, runtime=RUNTIME)
    dataset, rows = predicted("detect", trained, "model.safetensors", data, output)
    scored = json.loads((trained / "coco_results.json").read_text())
    found = json.loads((output / "coco_results.json").read_text())
    described = json.loads((output / "coco_images.json").read_text())
    names = {image["id"]: image["file_name"] for image in described["images"]}
    ids = {dataset.image_id(row): f"{row:05d}.png" for row in rows}
    assert len(scored) > 0
    assert [{**r, "image_id": names[r["image_id"]]} for r in found] == [
        {**r, "image_id": ids[r["image_id"]]} for r in scored
    ]
    assert [each["name"] for each in described["categories"]] == dataset.class_names


def test_classes_have_the_accuracy_of_the_evaluation(backbone, tiny_prepared, tmp_path):
    trained, output = tmp_path / "trained", tmp_path / "out"
    trained.mkdir()
    config = FinetuneConfig(
        view=ClassificationViewConfig(image_size=24, resize=26, num_operations=1),
        schedule=ClassificationSchedule(epochs=3, batch_size=12, base_lr=0.06, warmup_epochs=0),
        test_batch_size=8,
        num_bootstrap=9,
        seed=2,
    )
    finetune.run(config, trained, backbone=backbone, data=tiny_prepared, runtime=RUNTIME)
    dataset, rows = predicted("classify", trained, "classifier.safetensors", tiny_prepared, output)
    with open(output / "classes.csv", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["path"] for line in lines] == [f"{row:05d}.png" for row in rows]
    hits = [
        line["class_1"] == dataset.class_names[dataset.labels[row]]
        for line, row in zip(lines, rows, strict=True)
    ]
    (scored,) = json.loads((trained / "rows.json").read_text())
    assert np.mean(hits) == scored["value"]
    for line in lines:
        shares = [float(line[f"probability_{i}"]) for i in (1, 2, 3)]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=2e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "segment:uper-finetuned-hssl-seed0 of smoke is not finished: "
             "doit run segment:uper-finetuned-hssl-seed0 experiment=smoke"),
        ({"run": "linear"}, "run=linear: expected one of smoke's segmentation "
                              "(linear-frozen, uper-finetuned)"),
        ({"task": "classify"}, "smoke has no section [finetune], so no model for this task; add it, then: "
                               "doit run finetune experiment=smoke"),
        ({"task": "caption"}, "task=caption: expected one of segment, detect, classify"),
        ({"overlays": "some"}, "overlays=some: expected a number of images, or all"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(tmp_path, monkeypatch, capfd, changes, message):
    monkeypatch.setattr(stage, "RESULTS", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    options = {"task": "segment", "arm": "hssl", "data": "images", "experiment": "smoke"} | changes
    assert stage.main([f"{name}={value}" for name, value in options.items()]) == 1
    assert capfd.readouterr().err.strip() == message
