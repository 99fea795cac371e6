"""Whole joint trainings of a few steps: resume, scores, cost, and no label anywhere."""

import json

import numpy as np
import pytest

from pipeline.config.stages import RuntimeConfig
from tests.pipeline.pretrain.conftest import tiny_dataset  # noqa: F401
from tests.pipeline.search.small_search import CANDIDATES, small_search

# Save and log at every step.
EAGER = RuntimeConfig(checkpoint_every_minutes=1e-9, log_every_steps=1)


class Stopped(Exception):
    """Stands for a kill."""


def six_steps():
    config = small_search({name: CANDIDATES[name] for name in ("convnext", "mixer")})
    schedule = config.pretrain.schedule.model_copy(update={"epochs": 2.4})
    return config.model_copy(update={"pretrain": config.pretrain.model_copy(update={"schedule": schedule})})


def run(dataset, output, config, stop_after=None, runtime=EAGER):
    from pipeline.search.training import train_jointly

    def report(progress):
        if progress.step == stop_after:
            raise Stopped

    output.mkdir(exist_ok=True)
    return train_jointly(config, dataset, output, runtime=runtime, report=report)


def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(jt, tiny_dataset, tmp_path, monkeypatch):  # noqa: F811
    from pipeline.search import training
    from pipeline.weights.arrays import read_arrays
    from pipeline.weights.error import WeightsError

    monkeypatch.setattr(training, "_TAIL", 0.5)  # a mean over several steps, some of them before the stop
    config = six_steps()
    whole = run(tiny_dataset, tmp_path / "whole", config)
    with pytest.raises(Stopped):
        run(tiny_dataset, tmp_path / "parts", config, stop_after=5)
    # Stopped between logging step 5 and saving it: the checkpoint is that of step 4.
    saved, metadata = read_arrays(tmp_path / "parts" / "checkpoint.safetensors")
    assert metadata["step"] == 4
    seldom = RuntimeConfig(log_every_steps=100)  # what a user wants logged has no influence
    resumed = run(tiny_dataset, tmp_path / "parts", config, runtime=seldom)
    assert resumed.scores == whole.scores
    found = read_arrays(tmp_path / "parts" / "checkpoint.safetensors")[0]
    expected = read_arrays(tmp_path / "whole" / "checkpoint.safetensors")[0]
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    # Every trained tensor still learns after the resume.
    students = [name for name in saved if name.startswith("student/")]
    assert [name for name in students if np.array_equal(saved[name], found[name])] == []
    lines = [json.loads(line) for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(WeightsError, match="another configuration"):
        run(tiny_dataset, tmp_path / "parts", small_search())
    tail = [line["mixer/loss_auxiliary_cls"] for line in lines[3:]]
    assert whole.scores["mixer"]["auxiliary_loss"] == pytest.approx(np.mean(tail))
    for name in ("convnext", "mixer"):
        scores = whole.scores[name]
        assert {*scores} == {"cka", "cosine", "kl", "cka_se", "cosine_se", "kl_se", "auxiliary_loss"}
        assert scores["cka"] == lines[-1][f"{name}/discrepancy_cka"]
        assert 0 < scores["cka"] < 1
        assert scores["cka_se"] > 0
        assert whole.cost["candidates"][name]["parameters"] > 0
        assert whole.cost["candidates"][name]["seconds_alone"] > 0
    assert whole.cost["num_steps"] == 6


def test_the_scores_are_the_discrepancies_of_each_candidates_teacher(jt, rng):
    from pipeline.pretrain.discrepancy import measured_discrepancy
    from pipeline.search.scores import candidate_scores, joint_discrepancies
    from pipeline.search.step import joint_state

    config = small_search()
    state = joint_state(config)
    crops = rng.normal(size=(8, 3, 24, 24)).astype(np.float32)
    found, scores = joint_discrepancies(state, crops, 0.1), candidate_scores(state, crops, 0.1)
    for name in CANDIDATES:
        expected = measured_discrepancy(state.networks[name].teacher, crops, 0.1)
        assert found[name] == pytest.approx(expected, rel=1e-4)
        assert scores[name]["cka"] == pytest.approx(expected["discrepancy_cka"], rel=1e-4)


def test_the_jackknife_error_of_a_mean_is_the_standard_error(jt, rng):
    from pipeline.search.scores import jackknife_error

    values = rng.normal(size=20)
    left_out = [np.delete(values, index).mean() for index in range(20)]
    assert jackknife_error(left_out) == pytest.approx(values.std(ddof=1) / np.sqrt(20))
    assert np.isnan(jackknife_error([1.0]))
