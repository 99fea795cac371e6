"""What runs again after a change, and what does not: real doit, real processes, toy stages."""

import json
import os
import shutil

import pytest

from pipeline.storage.files import sha256_of_json
from tests.toy_stages.project import NUM_STAGES, Project


@pytest.mark.slow
def test_a_copied_project_prepares_again_but_repeats_nothing_else(project, tmp_path):
    shutil.copytree(project.folder, tmp_path / "copy", symlinks=True)
    copy = Project(tmp_path / "copy")
    # The copy's data have another absolute path, so preparing is asked for; what it makes is equal.
    assert copy.ran() == ["prepare:images"]
    assert copy.ran() == []


def test_an_option_reruns_what_depends_on_it_and_going_back_is_instant(project):
    table = (project.folder / "results/my/table.json").read_bytes()
    project.configure(epochs=4)
    statuses = project.statuses()
    assert statuses["pretrain:hssl-seed0"] == statuses["knn:hssl-seed0"] == statuses["tables"] == "R"
    assert statuses["knn:random-seed0"] == statuses["prepare"] == "U"
    assert statuses["pretrain"] == statuses["knn"] == "R"
    assert statuses["initialize"] == "U"
    plan = project.doit("run", "plan").stdout
    assert "schedule.epochs 3" in plan
    ran = project.ran()
    assert len(ran) == 7
    assert not any("random" in label for label in ran)
    assert (project.folder / "results/my/table.json").read_bytes() != table
    project.configure(epochs=3)
    assert project.ran("run", "tables") == []
    assert (project.folder / "results/my/table.json").read_bytes() == table


def test_a_truncated_output_reruns_its_stage_only(project):
    (project.artifact("features-hssl-seed0") / "result.txt").write_text("half")
    assert "R" in project.statuses()["features:hssl-seed0"]
    assert "has 4 bytes, its stamp says 64" in project.doit("run", "plan").stdout
    assert project.ran() == ["features:hssl-seed0"]


def test_an_input_made_again_with_another_content_is_noticed(project):
    stamp = project.artifact("features-hssl-seed0") / "stamp.json"
    values = json.loads(stamp.read_text())
    values["content"] = "as another device would make it"
    values["sha256"] = sha256_of_json({name: value for name, value in values.items() if name != "sha256"})
    stamp.write_text(json.dumps(values))
    assert sorted(project.ran()) == ["knn:hssl-seed0", "linear:hssl-seed0", "logistic:hssl-seed0"]


def test_doit_remembers_nothing(project):
    assert not list(project.folder.rglob("*.db"))
    assert not list(project.folder.glob(".doit*"))


@pytest.mark.slow
def test_touched_data_are_prepared_again_and_changed_data_rerun_everything(project):
    os.utime(project.folder / "images.bin", (1, 1))
    assert "waits for prepare" in project.doit("run", "plan").stdout
    assert project.ran() == ["prepare:images"]
    (project.folder / "images.bin").write_text("other pixels")
    assert len(project.ran()) == NUM_STAGES - 2  # tables and report note nothing


@pytest.mark.slow
def test_code_reruns_and_a_comment_does_not(project):
    module = project.folder / "pipeline" / "evaluate" / "probes" / "knn.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    assert project.ran() == []
    module.write_text(module.read_text() + "\nUNUSED = 1\n")
    assert "its code changed" in project.doit("run", "plan").stdout
    assert sorted(project.ran()) == ["knn:hssl-seed0", "knn:random-seed0"]
