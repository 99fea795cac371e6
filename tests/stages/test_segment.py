"""The stage in this process, on drawn images of three colours, and on sets that lack something."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.config.dense import FinetuneSchedule, SegmentConfig, SegmentHeadConfig, SegmentViewConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.preparing import prepare
from stages import segment

RUNTIME = RuntimeConfig(threads=1, log_every_steps=5)
COLOURS = np.array([[220, 60, 60], [60, 200, 60], [60, 60, 220]])
CLASSES = ("red", "green", "blue", "absent")
FILES = {
    "checkpoint.safetensors", "checkpoint-metrics.json", "metrics.jsonl", "model.safetensors", "rows.json",
    "replicates.npz", "class_replicates.npz", "per_class.csv", "confusion.csv", "overlay.png", "samples.npz",
}  # fmt: skip


def write_images(root, counts, *, size=(20, 27), ignored=None):
    """Two halves of different classes an image; `ignored` splits have no labelled pixel."""
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        for name in ("images", "masks"):
            (root / name / split).mkdir(parents=True)
        for i in range(count):
            labels = np.zeros(size, np.uint8)
            first, second = rng.permutation(3)[:2]
            labels[:], labels[:, rng.integers(5, 22) :] = first, second
            noise = rng.integers(-30, 31, size=(*size, 3))
            image = np.clip(COLOURS[labels] + noise, 0, 255).astype(np.uint8)
            Image.fromarray(image).save(root / "images" / split / f"{i}.png")
            labels[0] = 255
            if split == ignored:
                labels[:] = 255
            Image.fromarray(labels).save(root / "masks" / split / f"{i}.png")
    return root


@pytest.fixture
def prepared(tmp_path):
    def make(counts, **arguments):
        root, output = write_images(tmp_path / "images", counts, **arguments), tmp_path / "prepared"
        output.mkdir()
        prepare(DataConfig(source=str(root), class_names=CLASSES, val_share=0.0), output, num_workers=1)
        return output

    return make


def configured(head="uper", *, frozen=False, num_steps=2, **view):
    return SegmentConfig(
        head=head,
        frozen=frozen,
        heads=SegmentHeadConfig(width=16, auxiliary_width=8),
        view=SegmentViewConfig(
            **{"crop_size": 20, "resize": (20, 60), "inference": "slide", "stride": 13, "photometric": False}
            | view
        ),
        schedule=FinetuneSchedule(num_steps=num_steps, batch_size=4, lr=5e-3, warmup_steps=2),
        seed=0,
        num_bootstrap=50,
        num_pictures=2,
    )


def run(config, output, backbone, data):
    output.mkdir(exist_ok=True)
    segment.run(config, output, backbone=backbone, data=data, runtime=RUNTIME)
    return {row["metric"]: row for row in json.loads((output / "rows.json").read_text())}


@pytest.mark.parametrize(("head", "frozen"), [("linear", True), ("uper", False)])
def test_three_colours_are_learned(backbone, prepared, tmp_path, head, frozen):
    """Rows, tables, pictures and model; T1: sides of 20 and 27 px are no multiples of 8."""
    data = prepared({"train": 12, "test": 5})
    output = tmp_path / "out"
    rows = run(configured(head, frozen=frozen, num_steps=40), output, backbone, data)
    assert {path.name for path in output.iterdir()} == FILES
    assert list(rows) == ["miou", "macc", "aacc"]
    for row in rows.values():
        assert row["task"] == f"segment-{head}-{'frozen' if frozen else 'finetuned'}"
        assert (row["num_images"], row["split"]) == (5, "test")
        assert 0.6 < row["value"] <= 1
    with np.load(output / "replicates.npz") as stored:
        replicates = stored[f"{rows['miou']['task']} miou"]
    assert replicates.shape == (50,)
    assert 0.5 < replicates.min() < rows["miou"]["value"] < replicates.max() <= 1
    with open(output / "per_class.csv", newline="") as stream:
        classes = list(csv.DictReader(stream))
    assert [line["class"] for line in classes] == list(CLASSES)
    # A class that is nowhere has no score, and is not in the mean.
    assert classes[3]["accuracy"] == ""
    assert classes[3]["pixels"] == "0"
    defined = [float(line["iou"]) for line in classes if line["iou"]]
    assert rows["miou"]["value"] == pytest.approx(np.mean(defined), abs=1e-5)
    # The whole of every image is scored but its ignored first row.
    assert sum(int(line["pixels"]) for line in classes) == 5 * 19 * 27
    with Image.open(output / "overlay.png") as picture:
        assert picture.width > 600


def test_t6_a_frozen_backbone_stays_bit_for_bit(backbone, prepared, tmp_path):
    """T6: under the pyramid too; fine-tuning moves all of it but the mask token."""
    from pipeline.weights.arrays import read_arrays

    data = prepared({"train": 4, "test": 1})
    before, _ = read_arrays(backbone / "backbone.safetensors")
    moved = {}
    for frozen in (True, False):
        output = tmp_path / f"out-{frozen}"
        run(configured(frozen=frozen, num_steps=5), output, backbone, data)
        after, metadata = read_arrays(output / "model.safetensors")
        assert metadata["class_names"] == list(CLASSES)
        moved[frozen] = {n for n in before if not np.array_equal(before[n], after[f"backbone.network.{n}"])}
        heads = {name.split(".")[0] for name in after}
        assert heads == {"backbone", "pyramid", "head", "auxiliary"}
    assert moved[True] == set()
    assert moved[False] == set(before) - {"mask_token"}


def test_a_second_run_goes_on_from_the_end(backbone, prepared, tmp_path):
    """What was trained is not trained again, and is measured alike."""
    from pipeline.weights.arrays import read_arrays

    data, output = prepared({"train": 4, "test": 2}), tmp_path / "out"
    first = run(configured(), output, backbone, data)
    model, _ = read_arrays(output / "model.safetensors")
    (output / "rows.json").unlink()
    assert run(configured(), output, backbone, data) == first
    again, _ = read_arrays(output / "model.safetensors")
    assert all(np.array_equal(again[name], value) for name, value in model.items())


def test_t8_training_without_a_labelled_pixel(backbone, prepared, tmp_path):
    """T8: nothing is learned, nothing breaks."""
    rows = run(configured(), tmp_path / "out", backbone, prepared({"train": 3, "test": 1}, ignored="train"))
    assert 0 <= rows["miou"]["value"] < 1
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [0, 0]


def test_t8_test_images_without_a_labelled_pixel(backbone, prepared, tmp_path):
    """T8: no score is no row."""
    data = prepared({"train": 3, "test": 2}, ignored="test")
    assert run(configured("linear"), tmp_path / "out", backbone, data) == {}
    assert "no test image has a labelled pixel" in (tmp_path / "out" / "no_rows.txt").read_text()


def test_one_image_of_one_size(backbone, prepared, tmp_path):
    """A set of one training and one test image, smaller than crop and patch."""
    data = prepared({"train": 1, "test": 1}, size=(5, 23))
    rows = run(configured(resize=(5, 60), inference="whole"), tmp_path / "out", backbone, data)
    with np.load(tmp_path / "out" / "replicates.npz") as stored:
        replicates = stored[f"{rows['miou']['task']} miou"]
    assert np.array_equal(replicates, np.full(50, rows["miou"]["value"])), "each resample is that image"


def test_without_label_maps_or_test_images_the_reason_is_said(backbone, tiny_prepared, prepared, tmp_path):
    assert run(configured(), tmp_path / "classes", backbone, tiny_prepared) == {}
    reason = (tmp_path / "classes" / "no_rows.txt").read_text()
    assert "expected label maps, found class" in reason


def test_the_view_is_checked_before_anything_is_read():
    with pytest.raises(ValueError, match="stride 21 leaves gaps: a window has crop_size 20"):
        configured(stride=21)
