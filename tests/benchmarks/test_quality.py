"""The table of recipes, over drawn results of pretrainings and k-NN."""

import numpy as np
import pytest

from benchmarks.quality import (
    ARMS,
    TOY,
    Study,
    measure_quality,
    operations_of_an_image,
    recipes,
    study_of,
)
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
        if "small-crops" in name:
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
                seconds = 10.0 if name == "quality-full" else 5.0
                write_json(made / "stamp.json", {"seconds": seconds, "processor_seconds": 0.9 * seconds})
        return True

    monkeypatch.setattr("benchmarks.quality.run_experiment", run)
    return tmp_path


def test_each_recipe_stands_beside_the_full_one(drawn):
    failures = measure_quality(TOY, drawn, root=drawn, say=lambda text: None)
    assert failures == ["small crops first: its pretraining or k-NN failed"]
    table = (drawn / TOY.table_name).read_text().splitlines()
    full, fewer = (next(line for line in table if f"| ibot  | {name} " in line) for name in ("full", "fewer"))
    assert [cell.strip() for cell in full.split("|")[3:8]] == ["1.00", "1.00", "10", "1.00", "80.0"]
    assert [cell.strip() for cell in fewer.split("|")[3:8]] == ["0.58", "0.50", "5", "0.50", "70.0"]
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
    small = changes["smaller crops first, half the batch"]
    assert small["schedule.epochs"] == 18
    assert small["schedule.small_crops.size"] == 24
    for change in changes.values():
        read_experiment(study.extends, change)  # each is valid


def test_small_crops_of_a_base_in_stages_are_whole_positions_of_its_last_map():
    swin = dict.fromkeys(("backbone.image_size", "crops.global_size", "features.crop_size"), 128)
    swin |= dict.fromkeys(("features.num_blocks", "linear.num_blocks"), 1)
    swin |= {"backbone.kind": "swin", "backbone.size": "tiny", "backbone.patch_size": 4, "arms": ["ibot"]}
    found = [
        change["schedule.small_crops.size"]
        for change in recipes(read_experiment("quickstart", swin)).values()
        if "schedule.small_crops.size" in change and read_experiment("quickstart", swin | change)
    ]
    assert found == [64, 96]  # a position is 32 px


def test_operations_are_those_of_the_crops_that_each_step_takes():
    full = read_experiment("quickstart")
    changed = read_experiment(
        "quickstart", {"schedule.small_crops.size": 16, "schedule.small_crops.share": 0.75}
    )
    small = read_experiment("quickstart", {"crops.global_size": 16, "backbone.image_size": 16})
    of_full, of_changed, of_small = (operations_of_an_image(each, "ibot") for each in (full, changed, small))
    assert of_changed == pytest.approx(0.75 * of_small + 0.25 * of_full)
    twice = read_experiment("quickstart", {"schedule.epochs": 24, "schedule.batch_size": 32})
    # The one product of a step that does not grow with the batch is that of the mean patch.
    assert operations_of_an_image(twice, "ibot") == pytest.approx(2 * of_full, rel=1e-4)
