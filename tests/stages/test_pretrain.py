"""The stage in this process: its files, and what it returns."""

import json

import numpy as np
import pytest
from PIL import Image

from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.storage.files import sha256_of_file
from stages import curves, pretrain
from tests.pipeline.pretrain.small_run import SMALL_METHODS
from tests.stages.drawing import drawn_backbone

RUNTIME = RuntimeConfig(log_every_steps=1)


@pytest.fixture
def pretrained(jt, tiny_prepared, tiny_config, tmp_path):
    output = tmp_path / "pretrain"
    output.mkdir()
    return output, pretrain.run(tiny_config, output, data=tiny_prepared, runtime=RUNTIME)


def test_files_and_content(pretrained, tiny_prepared, tiny_config):
    from pipeline.models.backbone_file import load_backbone

    output, content = pretrained
    names = {path.name for path in output.iterdir()}
    weights = {"backbone.safetensors", "student.safetensors", "checkpoint.safetensors"}
    assert names == weights | {"metrics.jsonl", "checkpoint-metrics.json"}
    assert content == sha256_of_file(output / "backbone.safetensors")
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    terms = {"loss", "loss_base_cls", "loss_auxiliary_cls", "loss_base_patch"}
    assert all(terms <= line.keys() for line in lines)
    teacher = load_backbone(output / "backbone.safetensors")
    assert (teacher.weights, teacher.config) == ("teacher", tiny_config.backbone)
    np.testing.assert_array_equal(teacher.mean, PreparedDataset.open(tiny_prepared).mean)
    assert load_backbone(output / "student.safetensors").weights == "student"


def test_the_student_moves_and_the_teacher_follows_from_the_random_arm(
    pretrained, tiny_prepared, tiny_config, tmp_path
):
    from pipeline.weights.arrays import read_arrays

    random = drawn_backbone(tmp_path / "initialize", tiny_config.backbone, tiny_prepared, tiny_config.seed)
    first, teacher, student = (
        read_arrays(path / file)[0]
        for path, file in (
            (random, "backbone.safetensors"),
            (pretrained[0], "backbone.safetensors"),
            (pretrained[0], "student.safetensors"),
        )
    )
    assert first.keys() == teacher.keys() == student.keys()
    for name, value in first.items():
        moved = np.linalg.norm(student[name] - value)
        # Three steps of a moving average near 1 take the teacher a small part of the student's way.
        assert 0 < np.linalg.norm(teacher[name] - value) < 0.1 * moved, name


def test_an_exported_backbone_that_is_gone_is_made_again(jt, tiny_prepared, tiny_config, tmp_path, capsys):
    schedule = tiny_config.schedule.model_copy(update={"epochs": 2, "export_every_epochs": 1})
    config = tiny_config.model_copy(update={"schedule": schedule})
    content = pretrain.run(config, tmp_path, data=tiny_prepared, runtime=RUNTIME)
    exported = (tmp_path / "backbone-epoch001.safetensors").read_bytes()
    (tmp_path / "backbone-epoch001.safetensors").unlink()
    assert pretrain.run(config, tmp_path, data=tiny_prepared, runtime=RUNTIME) == content
    assert (tmp_path / "backbone-epoch001.safetensors").read_bytes() == exported
    assert "backbone-epoch001.safetensors: gone" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mocov3", "simclr", "byol", "mae"])
def test_the_result_of_another_method_is_its_student(jt, tiny_prepared, tiny_config, tmp_path, name):
    from pipeline.models.backbone_file import load_backbone
    from pipeline.training.metrics_log import read_metrics

    method = SMALL_METHODS[name]
    changes = {"method": method, "masks": method.masks_taken(tiny_config.masks)}
    config = tiny_config.model_copy(update=changes)
    content = pretrain.run(config, tmp_path, data=tiny_prepared, runtime=RUNTIME)
    published, student = (load_backbone(tmp_path / f"{file}.safetensors") for file in ("backbone", "student"))
    assert published.weights == student.weights == "student"
    assert content == sha256_of_file(tmp_path / "student.safetensors")
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3]
    shown = tmp_path / "curves"
    shown.mkdir()
    curves.run(config, shown, data=tiny_prepared, pretraining=tmp_path, runtime=RUNTIME)
    (row,) = [row for row in json.loads((shown / "rows.json").read_text()) if row["metric"] == "cka"]
    assert row["value"] == pytest.approx(lines[-1]["discrepancy_cka"])
    with Image.open(shown / "loss.png") as picture:
        assert picture.size == (1200, 400)
