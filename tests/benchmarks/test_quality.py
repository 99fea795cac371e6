"""The table of recipes, over drawn results of pretrainings and k-NN."""

import numpy as np
import pytest

from benchmarks.quality import ARMS, TOY, Study, measure_quality, recipes, study_of
from pipeline.config.reading import read_experiment
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
    table = (drawn / TOY.table_name).read_text().splitlines()
    full, fewer = (next(line for line in table if f"| ibot  | {name} " in line) for name in ("full", "fewer"))
    assert [cell.strip() for cell in full.split("|")[3:6]] == ["10", "1.00", "80.0"]
    assert [cell.strip() for cell in fewer.split("|")[3:6]] == ["5", "0.50", "70.0"]
    assert "-10.0 [-1" in fewer
    assert (drawn / "quality-fewer-epochs.toml").read_text().startswith('extends = "smoke"')


def test_the_recipes_of_a_user_s_own_experiment(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('extends = "smoke"\n[schedule]\nepochs = 24\nbatch_size = 64\nema_momentum = 0.996\n')
    study = study_of(str(file))
    assert study == Study(str(file), (0, 1, 2), label="-mine")
    assert study.table_name == "quality-mine.md"
    changes = recipes(read_experiment(study.extends))
    assert changes["full"] == {}
    half = changes["fewer epochs, half the batch"]
    assert half["schedule.epochs"] == 14
    assert half["schedule.batch_size"] == 32
    assert half["schedule.ema_momentum"] == pytest.approx(0.997)
    for change in changes.values():
        read_experiment(study.extends, change)  # each is valid
