import shutil
from pathlib import Path

import pytest

from pipeline.graph.experiment_graph import ExperimentGraph, read_argument
from pipeline.storage.artifacts import RECORD

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def graph(tmp_path):
    """graph("a/my.toml", text): the graph of an experiment written there, all in the same results folder."""

    def written(place: str, text: str = "") -> ExperimentGraph:
        file = tmp_path / place
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'extends = "smoke"\n{text}')
        argument, experiment = read_argument(str(file), tmp_path)
        return ExperimentGraph(argument, experiment, root=ROOT, results=tmp_path / "results")

    return written


def test_two_files_of_one_name_do_not_share_a_folder(graph, tmp_path):
    first, second = graph("a/my.toml"), graph("b/my.toml", "seeds = [1]")
    assert first.other_owner() is None
    first.record()
    record = (tmp_path / "results/my" / RECORD).read_bytes()
    with pytest.raises(ValueError, match="expected a name of its own") as raised:
        second.record()
    for refused in (second.other_owner(), str(raised.value)):
        assert str(tmp_path / "a/my.toml") in refused
        assert str(tmp_path / "b/my.toml") in refused
        assert "\n" not in refused
    assert (tmp_path / "results/my" / RECORD).read_bytes() == record
    first.record()  # its own folder still


@pytest.mark.parametrize("now", ["gone", "renamed", "not TOML", "the same experiment"])
def test_a_folder_whose_owner_is_no_other_experiment_any_more(graph, tmp_path, now):
    graph("a/my.toml").record()
    owner = tmp_path / "a/my.toml"
    if now == "gone":
        owner.unlink()
    elif now != "the same experiment":
        owner.write_text('extends = "smoke"\nname = "hers"' if now == "renamed" else "[")
    second = graph("b/my.toml", "" if now == "the same experiment" else "seeds = [1]")
    assert second.other_owner() is None
    second.record()


def test_a_changed_copy_of_a_preset_needs_a_name_of_its_own(graph, tmp_path):
    argument, experiment = read_argument("smoke", tmp_path)
    ExperimentGraph(argument, experiment, root=ROOT, results=tmp_path / "results").record()
    assert graph("smoke.toml").other_owner() is None  # nothing is changed
    assert "of the experiment smoke, " in graph("smoke.toml", "seeds = [1]").other_owner()


def test_a_copied_project_finds_its_own(graph, tmp_path):
    graph("mine.toml").record()
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "results", copy / "results", symlinks=True)
    (copy / "mine.toml").write_text('extends = "smoke"\nseeds = [1]')
    argument, experiment = read_argument("mine.toml", copy)
    copied = ExperimentGraph(argument, experiment, root=ROOT, results=copy / "results")
    assert copied.other_owner() is None
    copied.record()


def test_an_older_record_has_no_owner(graph, tmp_path):
    first = graph("a/my.toml")
    (tmp_path / "results/my").mkdir(parents=True)
    (tmp_path / "results/my" / RECORD).write_text('{"experiment": {}, "artifacts": {}}')
    assert first.other_owner() is None
