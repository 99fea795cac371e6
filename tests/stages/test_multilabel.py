"""Images with any number of classes through the stages: features, probes, shares of labels, fine-tuning."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score

from pipeline.config.data import DataConfig
from pipeline.config.few_shot import FewShotConfig
from pipeline.config.finetune import (
    ClassificationSchedule,
    ClassificationViewConfig,
    FinetuneConfig,
    MixingConfig,
    SubsetConfig,
)
from pipeline.config.stages import FeaturesConfig, RuntimeConfig
from pipeline.datasets.label_subset import read_subset
from pipeline.datasets.multilabel import read_label_sets
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.evaluate.feature_files import read_features
from pipeline.evaluate.probes.settings import KnnConfig, LinearConfig, LogisticConfig
from pipeline.inference.images import Decoding, open_images
from pipeline.measures.class_replicates import read_class_replicates
from pipeline.measures.rows import read_rows
from pipeline.storage.artifacts import write_stamp
from stages import features, few_shot, finetune, probe, shard, subset
from tests.stages.drawing import drawn_backbone

RUNTIME = RuntimeConfig(threads=1, log_every_steps=1)
NAMES = ["red", "green", "blue", "never"]
SIZES = {"train": 60, "val": 24, "test": 40}
PROBES = {
    "knn": KnnConfig(ks=(3, 7), num_bootstrap=60),
    "linear": LinearConfig(epochs=20, base_lrs=(1e-7, 0.1, 1.0), num_blocks=2, num_bootstrap=60),
    "logistic": LogisticConfig(inverse_strengths=(1e-6, 1.0), num_bootstrap=60),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """An image's colour is the sum of those of its classes, under noise; no image has the last class."""
    folder = tmp_path_factory.mktemp("several")
    rng, arrays = np.random.default_rng(0), {"class_names": np.array(NAMES)}
    for split, size in SIZES.items():
        labels = (rng.random((size, 4)) < [0.5, 0.4, 0.3, 0]).astype(np.uint8)
        noise = rng.integers(-40, 41, (size, 24, 24, 3))
        arrays[f"{split}_images"] = (60 + 120 * labels[:, None, None, :3] + noise).astype(np.uint8)
        arrays[f"{split}_labels"] = labels
    np.savez(folder / "tiny.npz", **arrays)
    prepare(DataConfig(source=str(folder / "tiny.npz")), folder / "prepared", num_workers=1)
    return folder / "prepared"


@pytest.fixture
def backbone(jt, prepared, tiny_config, tmp_path):
    return drawn_backbone(tmp_path / "initialize", tiny_config.backbone, prepared)


@pytest.fixture
def extracted(backbone, prepared, tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    config = FeaturesConfig(resize=24, crop_size=24, num_blocks=2, batch_size=16)
    features.run(config, folder, backbone=backbone, data=prepared, runtime=RUNTIME)
    return folder


def scores_of(output):
    with np.load(output / "scores.npz") as stored:
        return stored["labels"] == 1, stored["scores"], stored["index"]


def rows_of(output):
    return {(row["metric"], row.get("floor")): row for row in json.loads((output / "rows.json").read_text())}


def classes_of(output):
    with open(output / "per_class.csv", newline="") as stream:
        return {line["class"]: line for line in csv.DictReader(stream)}


def check_outcome(output, prepared, task):
    """Every number of an outcome, by scikit-learn from the scores that lie beside it."""
    truth, scores, index = scores_of(output)
    dataset = PreparedDataset.open(prepared)
    np.testing.assert_array_equal(index, dataset.indices("test"))
    np.testing.assert_array_equal(truth, read_label_sets(dataset)[index] == 1)
    rows, lines = rows_of(output), classes_of(output)
    expected = [average_precision_score(truth[:, k], scores[:, k]) for k in range(3)]
    assert rows["map", None]["value"] == pytest.approx(np.mean(expected))
    assert [float(lines[name]["ap"]) for name in NAMES[:3]] == pytest.approx(expected, abs=1e-6)
    assert [rows[f"ap_{name}", None]["value"] for name in NAMES[:3]] == pytest.approx(expected)
    assert ("ap_never", None) not in rows
    assert (lines["never"]["ap"], lines["never"]["num_images"]) == ("", "0")
    assert "mean over 3 of 4 classes, without a positive test image: never" in rows["map", None]["protocol"]
    with np.load(output / "scores.npz") as stored:
        thresholds = stored["thresholds"]
    assert [float(lines[name]["threshold"]) for name in NAMES] == pytest.approx(thresholds, rel=1e-5)
    claimed = scores[:, :3] >= thresholds[:3]
    f1 = f1_score(truth[:, :3], claimed, average="macro", zero_division=0)
    assert rows["f1_macro", None]["value"] == pytest.approx(f1)
    assert rows["map", "prevalence"]["value"] == pytest.approx(truth[:, :3].mean())
    assert {row["task"] for row in rows.values()} == {task}
    assert {row["num_images"] for row in rows.values()} == {SIZES["test"]}
    assert read_class_replicates(output, "ap").shape == (60, 4)
    return rows


def test_features_hold_the_matrix(extracted, prepared):
    found, dataset = read_features(extracted), PreparedDataset.open(prepared)
    assert found.is_multilabel
    for split in SIZES:
        part = getattr(found, split)
        np.testing.assert_array_equal(part.labels, read_label_sets(dataset)[dataset.indices(split)])


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_finds_colours_and_its_numbers_are_scikit_learns(extracted, prepared, tmp_path, name):
    output = tmp_path / "out"
    output.mkdir()
    probe.run(PROBES[name], output, features=extracted, runtime=RUNTIME)
    rows = check_outcome(output, prepared, name)
    assert rows["map", None]["value"] > 0.9
    assert rows["map", None]["value"] > rows["map", "prevalence"]["value"] + 0.3
    variants = {metric for metric, _ in rows if metric.startswith("map_")}
    assert variants == {"knn": {"map_k3", "map_k7"}, "linear": {"map_best_on_test"}, "logistic": set()}[name]
    write_stamp(output, {"fingerprint": "f", "outputs": {}})
    read = read_rows(output, arm="hssl", seed=0)
    assert {row.arm for row in read} == {"hssl", "prevalence"}
    assert all(row.replicates is not None and row.replicates.shape == (60,) for row in read)
    assert [row.arm for row in read if row.is_floor] == ["prevalence"]


def test_a_share_of_the_labels(extracted, prepared, tmp_path):
    (tmp_path / "share").mkdir()
    subset.run(SubsetConfig(share=0.5, seed=0), tmp_path / "share", data=prepared, runtime=RUNTIME)
    assert len(read_subset(tmp_path / "share").rows) == 30
    lines = (tmp_path / "share" / "images.tsv").read_text().splitlines()
    assert any(line.endswith("red, green") for line in lines)
    output = tmp_path / "out"
    output.mkdir()
    probe.run(PROBES["knn"], output, features=extracted, runtime=RUNTIME, labels=tmp_path / "share")
    rows = check_outcome(output, prepared, "knn-50%")
    assert "50 % of the training labels (30 images)" in rows["map", None]["protocol"]


def test_a_network_is_fine_tuned_and_predicts_each_class_on_its_own(backbone, prepared, tmp_path):
    from pipeline.inference.models import open_model
    from pipeline.inference.predicting import Predictions

    output = tmp_path / "out"
    output.mkdir()
    config = FinetuneConfig(
        view=ClassificationViewConfig(image_size=24, resize=24, num_operations=0, erase_probability=0.0),
        mixing=MixingConfig(mixup_alpha=0.2, cutmix_alpha=0.2),
        schedule=ClassificationSchedule(epochs=12, batch_size=12, base_lr=0.06, warmup_epochs=2),
        test_batch_size=8,
        num_bootstrap=60,
        seed=2,
    )
    finetune.run(config, output, backbone=backbone, data=prepared, runtime=RUNTIME)
    rows = check_outcome(output, prepared, "finetune")
    assert rows["map", None]["value"] > 0.8
    assert "sigmoid and binary cross-entropy for each class" in rows["map", None]["protocol"]
    assert json.loads((output / "validation.json").read_text())["num_images"] == SIZES["val"]
    steps = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert steps[0]["cross_entropy"] == pytest.approx(np.log(2), rel=1e-3)

    dataset, images = PreparedDataset.open(prepared), tmp_path / "images"
    images.mkdir()
    _, scores, index = scores_of(output)
    for row in index.tolist():
        Image.fromarray(dataset.image(row)).save(images / f"{row:05d}.png")
    decoding = Decoding.of_prepared(prepared)
    model = open_model(output / "classifier.safetensors", "classify")
    assert model.is_multilabel
    source, folder = open_images(str(images), decoding.max_pixels), tmp_path / "predicted"
    folder.mkdir()
    Predictions(model, source, decoding, folder, [], 1, 2, 0.0, lambda *counts: None).classify()
    with open(folder / "classes.csv", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert list(lines[0]) == ["path", *NAMES]
    found = np.array([[float(line[name]) for name in NAMES] for line in lines])
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-scores.astype(float))), atol=2e-6)


def test_without_validation_images_there_is_no_f1(extracted, tmp_path):
    summary = json.loads((extracted / "features.json").read_text())
    del summary["num_images"]["val"]
    (extracted / "features.json").write_text(json.dumps(summary))
    for name in ("knn", "logistic"):
        output = tmp_path / name
        output.mkdir()
        probe.run(PROBES[name], output, features=extracted, runtime=RUNTIME)
        metrics = {metric for metric, _ in rows_of(output)}
        assert "map" in metrics
        assert not {"f1_macro", "f1_micro"} & metrics
        assert "no validation images to choose it on" in rows_of(output)["map", None]["protocol"]


def test_few_shots_and_shards_refuse_several_in_one_line(extracted, prepared, tmp_path):
    few_shot.run(FewShotConfig(), tmp_path, features=extracted, runtime=RUNTIME)
    reason = "no few-shot classification of tiny: needs one class of each image\n"
    assert (tmp_path / "no_rows.txt").read_text() == reason
    with pytest.raises(ValueError, match="tiny: expected images with a class at most, found several"):
        shard.Sharding(PreparedDataset.open(prepared), 2**20, 0)


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("test", 0, "no image has a class in the parts test"),
        ("train", 1, "every training image has every class"),
        ("val", -1, "no labelled images in the parts val"),
    ],
)
def test_a_probe_that_cannot_be_made_says_why(extracted, tmp_path, part, value, words):
    labels = np.load(extracted / f"{part}_labels.npy")
    np.save(extracted / f"{part}_labels.npy", np.full_like(labels, value))
    probe.run(PROBES["linear"], tmp_path, features=extracted, runtime=RUNTIME)
    assert (tmp_path / "no_rows.txt").read_text() == f"no probe of tiny: {words}\n"


def test_labels_that_are_no_matrix_of_0_and_1_are_named(extracted):
    labels = np.load(extracted / "val_labels.npy")
    np.save(extracted / "val_labels.npy", labels + 2)
    with pytest.raises(ValueError, match=r"val_labels\.npy: expected labels in -1\.\.1, found 2\.\.3"):
        read_features(extracted)
