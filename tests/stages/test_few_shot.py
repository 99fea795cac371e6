"""Few shots of made-up features: rows, draws, and the classes that have too few images."""

import json

import numpy as np
import pytest

from pipeline.config.few_shot import FewShotConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.measures.draws import DRAWS
from stages import few_shot as stage

NAMES = ["ash", "oak", "yew"]
RUNTIME = RuntimeConfig(threads=1)


@pytest.fixture
def features(tmp_path):
    """Three classes around three points: of 12, 12 and 4 training images."""
    folder = tmp_path / "features"
    folder.mkdir()
    rng, centres = np.random.default_rng(0), 2.0 * np.eye(3, 6)
    for split, counts in (("train", (12, 12, 4)), ("test", (30, 30, 30))):
        labels = np.repeat(np.arange(3), counts)
        cls = (centres[labels] + rng.standard_normal((len(labels), 6))).astype(np.float32)
        np.save(folder / f"{split}_cls.npy", cls[:, None])
        np.save(folder / f"{split}_patch_mean.npy", cls)
        np.save(folder / f"{split}_labels.npy", labels)
        np.save(folder / f"{split}_index.npy", np.arange(len(labels)))
    summary = {
        "dataset": "trees", "class_names": NAMES, "num_images": {"train": 28, "test": 90}, "num_blocks": 1,
        "embed_dim": 6, "split_names": {"train": "train", "test": "val"},
    }  # fmt: skip
    (folder / "features.json").write_text(json.dumps(summary))
    return folder


def run(features, output, **changes):
    stage.run(FewShotConfig(**changes), output, features=features, runtime=RUNTIME)
    with np.load(output / DRAWS) as stored:
        return json.loads((output / "rows.json").read_text()), dict(stored)


def test_a_row_is_the_mean_of_its_draws_and_more_shots_are_better(features, tmp_path):
    rows, draws = run(features, tmp_path / "out", shots=(1, 4), draws=6)
    assert [row["task"] for row in rows] == ["knn-1-shot", "knn-4-shot", "logistic-1-shot", "logistic-4-shot"]
    for row in rows:
        correct = draws[f"{row['task']} {row['metric']}"]
        assert correct.shape == (6, 90)
        assert row["value"] == correct.mean()
        assert (row["dataset"], row["split"], row["num_images"]) == ("trees", "val", 90)
    values = {row["task"]: row["value"] for row in rows}
    assert values["knn-4-shot"] > values["knn-1-shot"] > 0.5
    assert values["logistic-4-shot"] > values["logistic-1-shot"] > 0.5
    assert rows[1]["protocol"] == (
        "k-NN, cosine, T=0.07, k=4, 4 training images of each class (12 images), mean of 6 draws"
    )
    assert not (tmp_path / "out" / "no_rows.txt").exists()


def test_fits_that_did_not_converge_are_counted(features, tmp_path):
    (row,), _ = run(features, tmp_path / "out", shots=(4,), draws=3, methods=("logistic",), max_iterations=1)
    assert row["protocol"].endswith("mean of 3 draws, 3 not converged in 1 iterations")


def test_one_shot_is_the_class_of_the_nearest_of_the_drawn_images(features, tmp_path):
    from pipeline.evaluate.few_shot import drawn_positions

    _, draws = run(features, tmp_path / "out", shots=(1,), draws=2, methods=("knn",))
    train, test = (np.load(features / f"{split}_cls.npy")[:, 0] for split in ("train", "test"))
    labels = np.load(features / "train_labels.npy")
    for draw, correct in enumerate(draws["knn-1-shot top1"]):
        rows = drawn_positions(labels, 1, draw)
        unit = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (test, train[rows])]
        nearest = labels[rows][(unit[0] @ unit[1].T).argmax(axis=1)]
        np.testing.assert_array_equal(correct, nearest == np.load(features / "test_labels.npy"))


def test_shots_that_a_class_lacks_have_no_row_and_a_reason(features, tmp_path, capsys):
    rows, _ = run(features, tmp_path / "out", shots=(2, 5, 20), draws=2, methods=("knn",))
    assert [row["task"] for row in rows] == ["knn-2-shot"]
    reasons = (tmp_path / "out" / "no_rows.txt").read_text().splitlines()
    assert reasons == [
        "no 5-shot classification: 1 of 3 classes have fewer labelled training images (the fewest: yew, 4)",
        "no 20-shot classification: 3 of 3 classes have fewer labelled training images (the fewest: yew, 4)",
    ]
    assert reasons[0] in capsys.readouterr().out
