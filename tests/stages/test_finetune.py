"""Fine-tuning in this process, on three classes of coloured noise."""

import json

import numpy as np
import pytest

from pipeline.config.finetune import (
    ClassificationSchedule,
    ClassificationViewConfig,
    FinetuneConfig,
    MixingConfig,
)
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.label_subset import LabelSubset, write_subset
from pipeline.datasets.prepared import PreparedDataset
from stages import finetune
from tests.stages.drawing import drawn_backbone

RUNTIME = RuntimeConfig(threads=1, log_every_steps=1)
CONFIG = FinetuneConfig(
    view=ClassificationViewConfig(image_size=24, resize=24, num_operations=1),
    mixing=MixingConfig(mixup_alpha=0.2, cutmix_alpha=0.2),
    schedule=ClassificationSchedule(epochs=20, batch_size=12, base_lr=0.06, warmup_epochs=2),
    test_batch_size=8,
    num_bootstrap=50,
    seed=2,
)
SHORT = CONFIG.model_copy(
    update={"schedule": CONFIG.schedule.model_copy(update={"epochs": 2.0, "warmup_epochs": 0.0})}
)


@pytest.fixture
def backbone(jt, tiny_prepared, tiny_config, tmp_path):
    return drawn_backbone(tmp_path / "initialize", tiny_config.backbone, tiny_prepared)


def fine_tuned(backbone, data, output, config=CONFIG, runtime=RUNTIME, **inputs):
    output.mkdir(exist_ok=True)
    finetune.run(config, output, backbone=backbone, data=data, runtime=runtime, **inputs)
    return {row["metric"]: row for row in json.loads((output / "rows.json").read_text())}


@pytest.mark.parametrize("pooling", ["patches", "cls"])
def test_a_random_network_learns_three_colours(backbone, tiny_prepared, tmp_path, pooling):
    output = tmp_path / "out"
    rows = fine_tuned(backbone, tiny_prepared, output, CONFIG.model_copy(update={"pooling": pooling}))
    assert rows["top1"]["value"] > 0.9
    assert (rows["top1"]["task"], rows["top1"]["split"], rows["top1"]["num_images"]) == (
        "finetune",
        "test",
        12,
    )
    assert rows["top1"]["protocol"].startswith("from random initialisation: supervised, ")
    assert list(rows) == ["top1"], "of three classes there is no top-5"
    dataset = PreparedDataset.open(tiny_prepared)
    with np.load(output / "predictions.npz") as stored:
        np.testing.assert_array_equal(stored["index"], dataset.indices("test"))
        np.testing.assert_array_equal(stored["labels"], dataset.labels[stored["index"]])
        np.testing.assert_array_equal(stored["correct_top1"], stored["predictions"] == stored["labels"])
        assert stored["correct_top1"].mean() == rows["top1"]["value"]
    assert json.loads((output / "validation.json").read_text())["num_images"] == 12
    assert {"confusion.csv", "per_class.csv", "classifier.safetensors"} <= {p.name for p in output.iterdir()}
    steps = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == 60
    assert steps[0]["cross_entropy"] == pytest.approx(np.log(3), rel=1e-3)


def test_a_subset_of_the_labels_is_all_that_is_learnt_from(backbone, tiny_prepared, tmp_path, monkeypatch):
    from pipeline.classification import batches

    dataset = PreparedDataset.open(tiny_prepared)
    rows = dataset.indices("train")[[4, 5, 9]]
    labels = tmp_path / "labels"
    labels.mkdir()
    write_subset(labels, LabelSubset(0.01, rows))
    seen = []
    monkeypatch.setattr(
        batches, "training_rows", lambda rows, *rest: seen.append(rows) or np.resize(rows, rest[-1])
    )
    found = fine_tuned(backbone, tiny_prepared, tmp_path / "out", SHORT, labels=labels)
    assert {tuple(of_step) for of_step in seen} == {tuple(rows)}
    assert found["top1"]["task"] == "finetune-1%"
    assert "supervised, 1 % of the training labels (3 images), " in found["top1"]["protocol"]


def test_a_killed_run_ends_like_an_uninterrupted_one(backbone, tiny_prepared, tmp_path, monkeypatch):
    from pipeline.training import progress_bar
    from pipeline.weights.arrays import read_arrays

    class Killed(Exception):
        pass

    def deadly(update):
        def report(bar, steps=1):
            if bar.n + steps > 4:
                raise Killed
            return update(bar, steps)

        return report

    saving = RuntimeConfig(threads=1, log_every_steps=1, checkpoint_every_minutes=1e-9)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    rows = fine_tuned(backbone, tiny_prepared, whole, SHORT, saving)
    with monkeypatch.context() as patch:
        patch.setattr(progress_bar.tqdm, "update", deadly(progress_bar.tqdm.update))
        with pytest.raises(Killed):
            fine_tuned(backbone, tiny_prepared, parts, SHORT, saving)
    assert not (parts / "rows.json").is_file()
    assert fine_tuned(backbone, tiny_prepared, parts, SHORT, saving) == rows
    for name in ("classifier.safetensors", "checkpoint.safetensors"):
        expected, found = (read_arrays(folder / name)[0] for folder in (whole, parts))
        assert expected.keys() == found.keys()
        assert [key for key in found if not np.array_equal(expected[key], found[key])] == []


def test_a_batch_in_parts_is_the_batch(backbone, tiny_prepared, tmp_path):
    """Losses and weights of two, computed in three parts, agree with the whole to rounding."""
    from pipeline.weights.arrays import read_arrays

    schedule = SHORT.schedule.model_copy(update={"accumulation_steps": 3, "drop_path_rate": 0.3})
    parted = SHORT.model_copy(update={"schedule": schedule})
    whole = SHORT.model_copy(update={"schedule": schedule.model_copy(update={"accumulation_steps": 1})})
    logs, weights = [], []
    for name, config in (("whole", whole), ("parted", parted)):
        fine_tuned(backbone, tiny_prepared, tmp_path / name, config)
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        logs.append([json.loads(line)["cross_entropy"] for line in lines])
        weights.append(read_arrays(tmp_path / name / "classifier.safetensors")[0])
    np.testing.assert_allclose(logs[0], logs[1], rtol=1e-3)
    # Adam divides by a gradient's size: where it is next to 0, rounding decides its sign.
    differences = np.concatenate([np.abs(weights[0][n] - weights[1][n]).ravel() for n in weights[0]])
    assert np.quantile(differences, 0.95) < 1e-4


def test_unlabelled_images_give_no_rows_and_a_reason(backbone, tiny_prepared, tmp_path, monkeypatch):
    original = PreparedDataset.open

    def unlabelled(directory):
        dataset = original(directory)
        dataset.labels[:] = -1
        return dataset

    monkeypatch.setattr(PreparedDataset, "open", unlabelled)
    assert fine_tuned(backbone, tiny_prepared, tmp_path / "out") == {}
    assert "no labelled images in the parts train, test" in (tmp_path / "out" / "no_rows.txt").read_text()
