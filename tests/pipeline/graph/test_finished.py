import json
from pathlib import Path

import pytest

from pipeline.config.reading import read_experiment
from pipeline.graph.finished import Finished, NotMade
from pipeline.graph.nodes import experiment_nodes

EXPERIMENT = read_experiment("smoke")


@pytest.fixture
def made(tmp_path):
    """Stamps of whole artifacts, as if an older version of the code had made them, by label."""
    folders = {}
    for node in experiment_nodes(EXPERIMENT):
        folder = tmp_path / "smoke" / "artifacts" / node.link
        folder.mkdir(parents=True)
        (folder / "file").write_text("12345")
        stamp = {
            "fingerprint": "of older code",
            "config": node.config.model_dump(mode="json"),
            "outputs": {"file": {"size": 5}},
        }
        (folder / "stamp.json").write_text(json.dumps(stamp))
        folders[node.label] = folder
    return Finished("smoke", EXPERIMENT, tmp_path), folders


def test_an_arm_is_found_whatever_code_made_it(made):
    finished, folders = made
    arm = finished.arm("hssl", finished.seed(None))
    assert arm.backbone == folders["pretrain:hssl-seed0"].resolve() / "backbone.safetensors"
    assert arm.prepared == folders["prepare:images"].resolve()
    assert arm.config == EXPERIMENT.features


def test_a_fine_tuned_model_is_preferred_to_one_on_a_frozen_base(made):
    finished, folders = made
    tuned = finished.fine_tuned("segment", "segmentation", "hssl", 0, None)
    assert tuned.label == "segment:uper-finetuned-hssl-seed0"
    frozen = finished.fine_tuned("segment", "segmentation", "hssl", 0, "linear-frozen")
    assert frozen.folder == folders["segment:linear-frozen-hssl-seed0"].resolve()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "stamp.json").unlink(), "is not finished"),
        (lambda folder: (folder / "file").write_text("1"), "is damaged .output file has 1 bytes"),
        (
            lambda folder: (folder / "stamp.json").write_text(
                (folder / "stamp.json").read_text().replace('"seed": 0', '"seed": 1')
            ),
            "was made with another configuration",
        ),
    ],
)
def test_what_cannot_be_used_names_the_command_that_makes_it(made, spoil, reason):
    finished, folders = made
    spoil(folders["pretrain:hssl-seed0"])
    with pytest.raises(NotMade, match=rf"^pretrain:hssl-seed0 of smoke {reason}") as refused:
        finished.arm("hssl", 0)
    assert str(refused.value).endswith("doit run pretrain:hssl-seed0 experiment=smoke")


def test_what_the_experiment_does_not_have_is_named():
    finished = Finished("smoke", EXPERIMENT, Path("nowhere"))
    for asked, message in (
        (lambda: finished.seed("7"), r"seed=7: expected a seed of smoke \(0\)"),
        (lambda: finished.arm("dino", 0), r"arm=dino: expected an arm of smoke"),
        (lambda: finished.arm("pixels", 0), "arm=pixels: there is no network"),
        (lambda: finished.fine_tuned("finetune", "finetune", "hssl", 0, None), r"no section \[finetune\]"),
    ):
        with pytest.raises(NotMade, match=message):
            asked()


def test_an_arm_and_a_model_are_those_of_the_experiments_own_images(tmp_path):
    """Whichever further data sets it is evaluated on."""
    settings = {"data": {"source": "s"}, "tasks": ["features"], "crop_size": 16}
    streets = {"name": "streets", "data": {"source": "t"}, "tasks": ["segment"]}
    values = EXPERIMENT.model_dump() | {"evaluate": ({"name": "flowers"} | settings, streets)}
    experiment = type(EXPERIMENT).model_validate(values)
    for node in experiment_nodes(experiment):
        folder = tmp_path / "smoke" / "artifacts" / node.link
        folder.mkdir(parents=True)
        stamp = {"fingerprint": "f", "config": node.config.model_dump(mode="json"), "outputs": {}}
        (folder / "stamp.json").write_text(json.dumps(stamp))
    finished = Finished("smoke", experiment, tmp_path)
    assert finished.arm("hssl", 0).config == EXPERIMENT.features
    tuned = finished.fine_tuned("segment", "segmentation", "hssl", 0, None)
    assert tuned.label == "segment:uper-finetuned-hssl-seed0"
