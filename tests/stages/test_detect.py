"""The stage in this process, on drawn objects and on real annotated images."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.config.data import DataConfig
from pipeline.config.dense import DetectConfig, DetectHeadConfig, DetectViewConfig, FinetuneSchedule
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.preparing import prepare
from stages import detect

RUNTIME = RuntimeConfig(threads=1, log_every_steps=1, checkpoint_every_minutes=1e-9)
FILES = {
    "checkpoint.safetensors", "checkpoint-before.safetensors", "checkpoint-metrics.json",
    "coco_results.json", "metrics.jsonl", "model.safetensors", "overlay.png", "per_class.csv",
    "class_replicates.npz", "precision_recall.csv", "replicates.npz", "rows.json", "samples.json",
}  # fmt: skip
SMALL = {
    "width": 16, "num_levels": 4, "anchor_scale": 4, "finest_scale": 16, "inner_anchors_only": False,
    "rpn_samples": 32, "num_proposals_per_level": 40, "num_proposals": 30, "num_test_proposals_per_level": 40,
    "num_test_proposals": 20, "roi_samples": 16, "box_convs": 1, "box_fcs": 1, "box_hidden_dim": 32,
    "mask_convs": 1, "score_threshold": 0.0, "max_detections": 5,
}  # fmt: skip


def configured(*, side=32, num_steps=3, frozen=False, **view):
    return DetectConfig(
        frozen=frozen,
        heads=DetectHeadConfig(**SMALL),
        view=DetectViewConfig(
            short_sides=(side,), max_long_side=2 * side, test_short_side=side, crop_sizes=(24, 48), **view
        ),
        schedule=FinetuneSchedule(num_steps=num_steps, batch_size=2, lr=1e-3, warmup_steps=0),
        seed=0,
        num_bootstrap=20,
        num_pictures=2,
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    output = tmp_path_factory.mktemp("objects")
    scenes = {"drawing": "objects", "image_size": 32, "num_train": 8, "num_val": 2, "num_test": 6}
    prepare(DataConfig.model_validate({"photo_scenes": scenes}), output, num_workers=1)
    return output


def run(config, output, backbone, data):
    output.mkdir(exist_ok=True)
    detect.run(config, output, backbone=backbone, data=data, runtime=RUNTIME)
    return json.loads((output / "rows.json").read_text())


def test_what_the_stage_writes(backbone, drawn, tmp_path, capsys):
    """T25, T28: rows of boxes and masks, results in the images' coordinates, and what was loaded."""
    output = tmp_path / "out"
    rows = run(configured(flip_probability=0.0), output, backbone, drawn)
    assert {path.name for path in output.iterdir()} == FILES
    assert {row["task"] for row in rows} == {"detect-box-finetuned", "detect-mask-finetuned"}
    assert all(0 <= row["value"] <= 1 for row in rows)
    assert "fine-tuned; not used: mask_token, norm.weight, norm.bias" in capsys.readouterr().out
    results = json.loads((output / "coco_results.json").read_text())
    per_image = np.bincount([result["image_id"] for result in results])
    assert per_image.max() <= 5
    for result in results:
        x, y, width, height = result["bbox"]
        assert 0 <= result["score"] <= 1
        assert min(x, y) >= 0
        assert max(x + width, y + height) <= 32 + 1e-3
    logged = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [1, 2, 3]
    assert logged[0]["loss"] == pytest.approx(sum(v for k, v in logged[0].items() if k.startswith("loss_")))


def test_t26_t31_stopped_and_resumed_equals_uninterrupted(backbone, drawn, tmp_path, monkeypatch):
    """T26, T31: the same seed gives the same bits, also when the run was stopped in between."""
    from pipeline.detection import training

    whole = tmp_path / "whole"
    run(configured(num_steps=4), whole, backbone, drawn)
    original, calls = training.detection_losses, []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(training, "detection_losses", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(configured(num_steps=4), tmp_path / "resumed", backbone, drawn)
    monkeypatch.setattr(training, "detection_losses", original)
    run(configured(num_steps=4), tmp_path / "resumed", backbone, drawn)
    for name in ("coco_results.json", "rows.json"):
        assert (whole / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes(), name
    # Not the file's bytes: safetensors writes its metadata in no fixed order.
    expected, found = (load_file(folder / "model.safetensors") for folder in (whole, tmp_path / "resumed"))
    assert expected.keys() == found.keys()
    assert [name for name in expected if not np.array_equal(expected[name], found[name])] == []


def test_t6_a_frozen_backbone_stays_bit_for_bit(backbone, drawn, tmp_path):
    """T6: weight decay included; the heads learn."""
    from pipeline.weights.arrays import read_arrays

    before, _ = read_arrays(backbone / "backbone.safetensors")
    rows = run(configured(frozen=True, num_steps=2), tmp_path / "frozen", backbone, drawn)
    assert {row["task"] for row in rows} == {"detect-box-frozen", "detect-mask-frozen"}
    after, metadata = read_arrays(tmp_path / "frozen" / "model.safetensors")
    for name, array in before.items():
        assert np.array_equal(after[f"backbone.network.{name}"], array), name
    assert metadata["config"]["frozen"] is True


def test_no_objects_to_learn_from(backbone, tiny_prepared, tmp_path):
    assert run(configured(), tmp_path / "out", backbone, tiny_prepared) == []
    assert "expected objects, found class" in (tmp_path / "out" / "no_rows.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "masks"), [("bccd-voc", False), ("coco-mini", True), ("nuclei-coco", True)])
def test_real_annotations(backbone, sample_data, tmp_path, capsys, name, masks):
    """Boxes of VOC, COCO's polygons with crowds and holes in the ids, and nuclei, by the same stage."""
    data = tmp_path / "prepared"
    data.mkdir()
    prepare(DataConfig(source=str(sample_data / "detection" / name)), data, num_workers=2)
    rows = run(configured(side=64, skip_empty=name == "coco-mini"), tmp_path / "out", backbone, data)
    tasks = {"detect-box-finetuned"} | ({"detect-mask-finetuned"} if masks else set())
    assert {row["task"] for row in rows} == tasks
    assert ("boxes only" in capsys.readouterr().out) == (not masks)
    results = json.loads((tmp_path / "out" / "coco_results.json").read_text())
    assert results
    assert all(("segmentation" in result) == masks for result in results)
