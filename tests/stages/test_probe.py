"""The probes, and the stage that runs them, on small made-up features."""

import csv
import json

import numpy as np
import pytest

from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.label_subset import LabelSubset, write_subset
from pipeline.evaluate.probes.settings import KnnConfig, LinearConfig, LogisticConfig
from stages import probe as stage

CLASSES = [f"class {i}" for i in range(7)]
SIZES = {"train": 300, "val": 90, "test": 120}
RUNTIME = RuntimeConfig(threads=1)
PROBES = {
    "knn": KnnConfig(ks=(1, 5, 400), num_bootstrap=200),
    "linear": LinearConfig(epochs=15, base_lrs=(1e-7, 0.1), num_blocks=2, average_pool=True),
    "logistic": LogisticConfig(inverse_strengths=(1e-6, 1.0)),
}


@pytest.fixture
def features(tmp_path):
    """Seven separable classes: 2 blocks, 8 channels."""
    directory = tmp_path / "features"
    directory.mkdir()
    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((len(CLASSES), 3, 8))
    for split, size in SIZES.items():
        labels = rng.integers(0, len(CLASSES), size)
        values = (centres[labels] + rng.standard_normal((size, 3, 8))).astype(np.float32)
        np.save(directory / f"{split}_cls.npy", values[:, :2])
        np.save(directory / f"{split}_patch_mean.npy", values[:, 2])
        np.save(directory / f"{split}_labels.npy", labels)
        np.save(directory / f"{split}_index.npy", np.arange(size))
    summary = {
        "dataset": "made up",
        "class_names": CLASSES,
        "num_images": SIZES,
        "num_blocks": 2,
        "embed_dim": 8,
        "split_names": {"train": "train", "val": "train (held out)", "test": "val"},
    }
    (directory / "features.json").write_text(json.dumps(summary))
    return directory


def change_summary(features, **changes):
    path = features / "features.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def probe(name, features, inputs=None, **changes):
    config, output = PROBES[name].model_copy(update=changes), features.parent / name
    stage.run(config, output, features=features, runtime=RUNTIME, **(inputs or {}))
    return output, {row["metric"]: row for row in json.loads((output / "rows.json").read_text())}


@pytest.mark.parametrize("name", PROBES)
def test_rows_predictions_and_confusion_agree(name, features):
    output, rows = probe(name, features)
    with np.load(output / "predictions.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    np.testing.assert_array_equal(arrays["labels"], np.load(features / "test_labels.npy"))
    np.testing.assert_array_equal(arrays["correct_top1"], arrays["predictions"] == arrays["labels"])
    for metric, row in rows.items():
        assert row["value"] == arrays[f"correct_{metric}"].mean()
        assert row["num_bootstrap"] == PROBES[name].num_bootstrap
        assert "ci_low" not in row, "intervals are made with the tables, of one confidence"
        assert (row["task"], row["dataset"], row["split"], row["num_images"]) == (name, "made up", "val", 120)
        assert row["higher_is_better"] is True
    assert rows["top1"]["value"] > 0.9
    with open(output / "confusion.csv", newline="") as stream:
        header, *lines = csv.reader(stream)
    counts = np.array([line[1:] for line in lines], int)
    assert header[1:] == CLASSES == [line[0] for line in lines]
    assert counts.sum() == 120
    assert np.trace(counts) == arrays["correct_top1"].sum()
    with open(output / "per_class.csv", newline="") as stream:
        per_class = list(csv.DictReader(stream))
    assert float(per_class[3]["accuracy"]) == pytest.approx(counts[3, 3] / counts[3].sum(), abs=1e-6)


def test_knn_has_a_row_for_every_k_and_the_headline_is_one_of_them(features):
    _, rows = probe("knn", features)
    assert list(rows) == ["top1", "top5", "top1_k1", "top1_k5", "top1_k300"]
    protocols = {f"k-NN, cosine, T=0.07, k={k} chosen on validation" for k in (1, 5, 300)}
    assert rows["top1"]["protocol"] in protocols
    assert rows["top1_k300"]["protocol"] == "k-NN, cosine, T=0.07, k=300"
    assert rows["top5"]["value"] >= rows["top1"]["value"]


def test_knn_chooses_k_by_the_validation_images_and_not_by_the_test_images(features):
    # Every validation and test image is a training image; the test labels are wrong for the nearest one.
    cls, labels = (np.load(features / f"train_{name}.npy") for name in ("cls", "labels"))
    rng = np.random.default_rng(1)
    noisy = np.where(rng.random(300) < 0.5, rng.integers(0, 7, 300), labels)
    np.save(features / "train_labels.npy", noisy)
    for split, truth in (("val", noisy), ("test", labels)):
        np.save(features / f"{split}_cls.npy", cls[: SIZES[split]])
        np.save(features / f"{split}_labels.npy", truth[: SIZES[split]])
    _, rows = probe("knn", features, ks=(1, 20), temperature=10.0)
    assert rows["top1_k20"]["value"] > rows["top1_k1"]["value"]
    assert "k=1 chosen on validation" in rows["top1"]["protocol"]
    assert rows["top1"]["value"] == rows["top1_k1"]["value"]


def test_without_validation_images_k_is_20(features):
    change_summary(features, num_images={"train": 300, "test": 120})
    _, rows = probe("knn", features, ks=(1, 20, 100))
    assert rows["top1"]["protocol"].endswith("k=20 no validation images to choose it on")


def test_linear_writes_the_whole_sweep_and_marks_what_diverged(features):
    output, rows = probe("linear", features, base_lrs=(1e-7, 0.1, 1e38))
    sweep = json.loads((output / "sweep.json").read_text())
    assert [entry["base_lr"] for entry in sweep] == [1e-7, 0.1, 1e38]
    assert [entry["diverged"] for entry in sweep] == [False, False, True]
    assert sweep[2]["val"] is sweep[2]["test"] is None
    assert sweep[1]["test"] == rows["top1"]["value"] == rows["top1_best_on_test"]["value"]
    assert "base lr 0.1 chosen on validation" in rows["top1"]["protocol"]
    assert "batch 300" in rows["top1"]["protocol"]
    assert "test set (optimistic)" in rows["top1_best_on_test"]["protocol"]


def test_logistic_that_does_not_converge_says_so(features):
    _, rows = probe("logistic", features, max_iterations=1)
    assert "not converged in 1 iterations" in rows["top1"]["protocol"]


@pytest.mark.parametrize("name", PROBES)
def test_unlabelled_images_give_no_rows_and_a_reason(name, features):
    for split, size in SIZES.items():
        np.save(features / f"{split}_labels.npy", np.full(size, -1))
    output, rows = probe(name, features)
    assert rows == {}
    assert "no labelled images in the parts train" in (output / "no_rows.txt").read_text()


def test_images_without_a_label_are_left_out(features):
    labels = np.load(features / "test_labels.npy")
    labels[::2] = -1
    np.save(features / "test_labels.npy", labels)
    output, rows = probe("knn", features)
    assert rows["top1"]["num_images"] == 60
    with np.load(output / "predictions.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["index"], np.arange(1, 120, 2))


@pytest.mark.parametrize("name", ["knn", "logistic"])
def test_a_probe_learns_from_a_subset_of_the_labels_and_says_so(name, features):
    labels = np.load(features / "train_labels.npy")
    rows = np.array([np.flatnonzero(labels == label)[0] for label in range(7)])
    # Whatever the others are called: they are not learnt from.
    wrong = (labels + 1) % 7
    wrong[rows] = labels[rows]
    np.save(features / "train_labels.npy", wrong)
    subset = features.parent / "subset"
    subset.mkdir()
    write_subset(subset, LabelSubset(0.02, np.sort(rows)))
    _, found = probe(name, features, {"labels": subset})
    assert found["top1"]["task"] == f"{name}-2%"
    assert ", 2 % of the training labels (7 images), " in found["top1"]["protocol"]
    assert found["top1"]["value"] > 0.9
    _, found = probe(name, features)
    assert found["top1"]["task"] == name
    assert found["top1"]["value"] < 0.1


def test_a_subset_of_other_images_is_refused(features):
    subset = features.parent / "subset"
    subset.mkdir()
    write_subset(subset, LabelSubset(0.02, np.array([5, 300])))
    with pytest.raises(ValueError, match="features of 1 of the 2 images of the subset"):
        probe("knn", features, {"labels": subset})


def with_nan(features):
    values = np.load(features / "val_cls.npy")
    values[5, 0, 0] = np.nan
    np.save(features / "val_cls.npy", values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (with_nan, r"val_cls\.npy: holds values that are not finite"),
        (lambda d: np.save(d / "test_labels.npy", np.zeros(119, int)), r"test_labels\.npy: .*\(120,\)"),
        (lambda d: np.save(d / "test_labels.npy", np.full(120, 7)), r"test_labels\.npy: .*in -1\.\.6"),
        (lambda d: np.save(d / "train_cls.npy", np.zeros((300, 2, 8))), r"train_cls\.npy: .*found float64"),
        (lambda d: (d / "train_cls.npy").write_bytes(b"\x93NUMPY"), r"train_cls\.npy: not a whole"),
        (lambda d: (d / "train_patch_mean.npy").unlink(), r"train_patch_mean\.npy: missing"),
        (lambda d: (d / "features.json").unlink(), r"features\.json: no features here"),
    ],
)
def test_damaged_features_are_refused_by_name(damage, message, features):
    damage(features)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        probe("knn", features)


def test_more_blocks_than_were_kept_are_refused(features):
    with pytest.raises(ValueError, match=r"linear\.num_blocks = 3, but only 2"):
        probe("linear", features, num_blocks=3)
