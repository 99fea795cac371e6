"""Experiment files with strange values and damaged bytes: an experiment, or every mistake in one message."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.experiment import Experiment
from pipeline.config.reading import PRESETS, ConfigError, read_experiment
from pipeline.storage.toml_values import toml_value
from tests.properties.damaged import STRANGE, changed_bytes

EVERYTHING = {
    **json.loads(Experiment(name="e").model_dump_json()),
    **{name: {"data": {"source": "x"}} for name in ("finetune", "segmentation", "detection")},
    "dense_probe": {},
    "ablate": {"product": {"depth": [1]}},
    "search": {"candidates": {"a": {"depth": 1}}},
}
KEYS = sorted(
    {(section,) for section in EVERYTHING}
    | {(section, key) for section, value in EVERYTHING.items() if isinstance(value, dict) for key in value}
)


def written(value) -> str:
    """A value in TOML; what TOML has no syntax for becomes an inline table or a text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    try:
        return toml_value(value)
    except TypeError:
        return '"None"'


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("config") / "my.toml"


def read_or_refused(file) -> None:
    try:
        experiment = read_experiment(str(file))
    except ConfigError as error:
        lines = str(error).splitlines()
        assert str(file) in lines[0]
        assert all(len(line) < 2000 for line in lines), "a line that nobody can read"
    else:
        assert Experiment.model_validate(json.loads(experiment.model_dump_json())) == experiment


@given(st.lists(st.tuples(st.sampled_from(KEYS), STRANGE), min_size=1, max_size=4))
def test_strange_values(file, changes):
    lines = [f"{'.'.join(key)} = {written(value)}" for key, value in dict(changes).items()]
    file.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    read_or_refused(file)


@pytest.mark.parametrize("preset", ["quickstart", "cifar10"])
@given(data=st.data())
def test_damaged_files(file, preset, data):
    file.write_bytes(data.draw(changed_bytes((PRESETS / f"{preset}.toml").read_bytes())))
    read_or_refused(file)
