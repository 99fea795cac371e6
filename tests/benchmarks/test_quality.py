"""The table of recipes, over drawn results of pretrainings and k-NN."""

import numpy as np
import pytest

from benchmarks.quality import ARMS, NAME, TOY, measure_quality
from pipeline.measures.classification_rows import Metric, write_outcome
from pipeline.measures.labelled_images import LabelledImages
from pipeline.storage.files import write_json

NUM_IMAGES = 200


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Stands in for `doit run knn`: recipes but the full one take half the time, and err 20 times more."""
    labels = np.arange(NUM_IMAGES) % 4
    test = LabelledImages("set", "test", list("abcd"), labels, np.arange(NUM_IMAGES))

    def run(task, argument, *, root, at_once):
        assert (task, root, at_once) == ("knn", tmp_path, 1)
        name = argument.rpartition("/")[2].removesuffix(".toml")
        if "rate" in name:
            return False
        for arm in ARMS:
            for seed in TOY.seeds:
                folder = tmp_path / "results" / name / "artifacts" / f"knn-{arm}-seed{seed}"
                folder.mkdir(parents=True)
                guesses = labels.copy()
                wrong = 40 if name == "quality-full" else 60
                guesses[:wrong] = (guesses[:wrong] + 1) % 4
                metric = Metric("top1", guesses == labels, "k-NN")
                write_outcome(folder, "knn", [metric], guesses, test, num_bootstrap=50)
                write_json(folder / "stamp.json", {"fingerprint": "f", "outputs": {}})
                made = folder.with_name(f"pretrain-{arm}-seed{seed}")
                made.mkdir()
                write_json(made / "stamp.json", {"seconds": 10.0 if name == "quality-full" else 5.0})
        return True

    monkeypatch.setattr("benchmarks.quality.run_experiment", run)
    return tmp_path


def test_each_recipe_stands_beside_the_full_one(drawn):
    failures = measure_quality(TOY, drawn, root=drawn, say=lambda text: None)
    assert failures == ["fewer epochs, larger rate: its pretraining or k-NN failed"]
    table = (drawn / NAME).read_text().splitlines()
    full, fewer = (next(line for line in table if f"| ibot  | {name} " in line) for name in ("full", "fewer"))
    assert [cell.strip() for cell in full.split("|")[3:6]] == ["10", "1.00", "80.0"]
    assert [cell.strip() for cell in fewer.split("|")[3:6]] == ["5", "0.50", "70.0"]
    assert "-10.0 [-1" in fewer
    assert (drawn / "quality-fewer-epochs.toml").read_text().startswith('extends = "smoke"')
