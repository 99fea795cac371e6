import json
import shutil

import numpy as np
import pytest

from pipeline.report.comparison.locating import read_all
from tests.pipeline.report.comparison.made import publish

RIGHT = {("ibot", 0): np.ones(40, bool)}


def labels(tmp_path, *arguments):
    return [each.label for each in read_all(arguments, results=tmp_path / "results", start=tmp_path)]


@pytest.fixture
def results(datasets, tmp_path):
    for name in ("a", "b"):
        publish(tmp_path / "results", name, datasets["first"], RIGHT, settings={"schedule": {"epochs": name}})
    return tmp_path / "results"


def test_an_experiment_has_a_name_a_file_or_a_folder(results, tmp_path):
    (tmp_path / "a.toml").write_text('extends = "smoke"')
    (tmp_path / "x.toml").write_text('name = "b"\na_key_of_an_old_version = 1')
    shutil.copytree(results, tmp_path / "elsewhere")
    assert labels(tmp_path, "a", "b") == ["a", "b"]
    assert labels(tmp_path, "a.toml", "x.toml") == ["a", "b"]
    assert labels(tmp_path, "a", "elsewhere/b") == ["a", "b"]
    assert labels(tmp_path, "a", "elsewhere/a") == ["a", "elsewhere/a"]


def test_what_is_missing_is_a_line_with_the_command(results, tmp_path):
    (tmp_path / "my.toml").touch()
    with pytest.raises(ValueError, match="make it") as found:
        labels(tmp_path, "a", "my.toml", "smoke", "smoek")
    my, smoke, unknown = str(found.value).splitlines()
    assert my == (f"my.toml: no {results / 'my' / 'table.json'}; make it: doit run all experiment=my.toml")
    assert smoke.endswith("make it: doit run all experiment=smoke")
    assert unknown.startswith(f"smoek: expected a name in {results}, a preset (cifar10, ")


@pytest.mark.parametrize("arguments", [("a",), ("a", "a"), ("a", "b", "results/b")])
def test_one_experiment_or_one_twice_is_refused(results, tmp_path, arguments):
    with pytest.raises(ValueError, match="expected two or more, none of them twice"):
        labels(tmp_path, *arguments)


def test_a_table_without_a_key_is_named(results, tmp_path):
    lines = json.loads((results / "b" / "table.json").read_text())
    del lines[0]["protocol"]
    (results / "b" / "table.json").write_text(json.dumps(lines))
    with pytest.raises(ValueError, match=r"b/table\.json: row 1: expected the keys protocol"):
        labels(tmp_path, "a", "b")


def test_intervals_of_different_levels_are_refused(results, tmp_path):
    lines = json.loads((results / "b" / "table.json").read_text())
    (results / "b" / "table.json").write_text(json.dumps([line | {"confidence": 0.9} for line in lines]))
    with pytest.raises(ValueError, match=r"different levels: a 95 %, b 90 %"):
        labels(tmp_path, "a", "b")


def test_settings_are_those_of_the_table_not_of_the_last_command(results, tmp_path):
    for name in ("a", "b"):
        record = {"experiment": {"name": name, "schedule": {"epochs": "edited"}}, "artifacts": {}}
        (results / name / "experiment.json").write_text(json.dumps(record))
    first, second = read_all(("a", "b"), results=results, start=tmp_path)
    assert first.settings[0] == {"schedule": {"epochs": "a"}, "data": {"source": "first"}}
    assert second.settings[1] == "the table's report"
    table = results / "b" / "table.json"
    table.write_text(table.read_text() + "\n")  # of no report that is still there
    _, second = read_all(("a", "b"), results=results, start=tmp_path)
    assert second.settings == (
        {"schedule": {"epochs": "edited"}},
        "experiment.json, which may be newer than the table",
    )


def test_versions_are_those_of_the_artifacts(results, tmp_path):
    first, _ = read_all(("a", "b"), results=results, start=tmp_path)
    assert first.made_with == {
        "libraries": "numpy 1.26",
        "python": "3.11.7",
        "commit": "c0ffee",
        "device": "cpu",
        "made": "2026-01-02",
    }
