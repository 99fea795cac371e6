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


EVALUATION = {"name", "data", "knn", "linear", "logistic", "finetune", "segmentation", "detection"}
EVALUATION_DATA = ("source", "labels", "label_separator", "columns", "layout", "kind")
NESTED = [("executor", "local", "stages_at_once"), ("executor", "slurm", "partition"), ("executor", "local")]
NESTED += [("sweep", key) for key in ("grid", "sampler", "trials", "seed", "objective")]
NESTED += [("data", key) for key in EVALUATION_DATA]


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


def read_or_refused(file, *, only_given: bool = False) -> None:
    """`only_given`: of tables in which a key of the defaults is refused where it is stated."""
    try:
        experiment = read_experiment(str(file))
    except ConfigError as error:
        lines = str(error).splitlines()
        assert str(file) in lines[0]
        assert all(len(line) < 2000 for line in lines), "a line that nobody can read"
    else:
        assert (
            Experiment.model_validate(json.loads(experiment.model_dump_json(exclude_unset=only_given)))
            == experiment
        )


@given(st.lists(st.tuples(st.sampled_from(KEYS), STRANGE), min_size=1, max_size=4))
def test_strange_values(file, changes):
    lines = [f"{'.'.join(key)} = {written(value)}" for key, value in dict(changes).items()]
    file.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    read_or_refused(file)


@given(st.lists(st.tuples(st.sampled_from(NESTED), STRANGE), min_size=1, max_size=2))
def test_strange_values_of_executor_sweep_and_labels(file, changes):
    changes = {key: value for key, value in changes if key != ("executor", "local") or len(changes) == 1}
    lines = [f"{'.'.join(key)} = {written(value)}" for key, value in changes.items()]
    file.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    read_or_refused(file)


@given(
    st.dictionaries(st.sampled_from(sorted(EVALUATION)), STRANGE, max_size=3),
    st.dictionaries(st.sampled_from(EVALUATION_DATA), STRANGE, max_size=3),
)
def test_strange_evaluations(file, table, data):
    table = {"name": "other", "data": data} | table
    lines = ["[[evaluate]]", *(f"{key} = {written(value)}" for key, value in table.items())]
    file.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    read_or_refused(file, only_given=True)


@pytest.mark.parametrize("preset", ["quickstart", "cifar10"])
@given(data=st.data())
def test_damaged_files(file, preset, data):
    file.write_bytes(data.draw(changed_bytes((PRESETS / f"{preset}.toml").read_bytes())))
    read_or_refused(file)
