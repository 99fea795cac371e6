"""Trainings on two ranks that diverge: the step is saved whole; `doit run replay` names the same tensor."""

import json
import re
import subprocess
import sys
from dataclasses import asdict

import pytest

from pipeline.config.section import Section
from pipeline.graph.node import program
from pipeline.graph.stage_runner import Job
from pipeline.pretrain.non_finite.saved_step import read_about, read_batch, saved_step
from pipeline.storage.artifacts import artifact_directory, record_experiment
from stages import replay
from tests.pipeline.several_ranks import LIMIT_SECONDS, ROOT, needs_mpi
from tests.stages.ranks_run import write_inputs
from tests.stages.test_faults_of_ranks import INPUTS, config_of

pytestmark = [needs_mpi, pytest.mark.slow]  # processes that wait for one another

FAR_TOO_HIGH = 1e42  # more than float32 holds


@pytest.fixture(scope="module")
def inputs(jt, tiny_prepared, tmp_path_factory):
    root = tmp_path_factory.mktemp("inputs")
    write_inputs(root, tiny_prepared)
    return root


def diverging(stage: str) -> Section:
    """The stage's settings, with a learning rate after whose first step nothing is finite."""
    config = config_of(stage)
    if stage == "search_train":
        return config.model_copy(update={"pretrain": with_rate(config.pretrain, "base_lr")})
    if stage == "detect":  # with fewer images, a rank has none with boxes once the weights are broken
        return with_rate(config, "lr", batch_size=8)
    return with_rate(config, "lr" if stage == "segment" else "base_lr")


def with_rate(config: Section, key: str, **others: int) -> Section:
    schedule = config.schedule.model_dump() | {key: FAR_TOO_HIGH, **others}
    return config.model_copy(update={"schedule": type(config.schedule).model_validate(schedule)})


@pytest.mark.parametrize("stage", [stage for stage in INPUTS if stage != "features"])
def test_the_step_of_all_ranks_is_saved_and_repeated_by_one(stage, inputs, tmp_path, monkeypatch, capsys):
    name = stage.replace("_", "-")
    output = artifact_directory(tmp_path, name, "5" * 16)
    output.mkdir(parents=True)
    job = Job(
        stage=name, name="hssl-seed3", run={"arm": "hssl", "seed": 3}, runs=[], fingerprint="f", code="c",
        libraries={}, made_with={}, identities={}, lineage={}, work=1.0,
        inputs={each: str(inputs / folder) for each, folder in INPUTS[stage].items()},
        config=diverging(stage).model_dump(mode="json"), output=str(output),
        runtime={"devices": 2, "device": "cpu", "log_every_steps": 1},
    )  # fmt: skip
    (output / "job.json").write_text(json.dumps(asdict(job)))
    command = [sys.executable, "-m", f"stages.{program(name)}", str(output / "job.json")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL
    )
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    found = re.search(r"it began in step (\d+) by (.+?); `doit run replay step=", printed)
    assert found, printed
    assert "Traceback" not in printed
    step, tensor = int(found[1]), found[2]

    place = saved_step(output, step)
    images = read_about(place)["images"]
    whole = read_batch(place)
    lengths = {name: each.shape[1] for name, each in whole.items() if name.endswith("crops")}
    assert set(lengths.values()) <= {len(images)}, "the images of both ranks"
    assert any(each.size for each in whole.values())

    monkeypatch.setattr(replay, "RESULTS", tmp_path)
    record_experiment(tmp_path, "smoke", config={}, artifacts={f"{name}-hssl-seed3": output})
    assert replay.main(["experiment=smoke", f"step={step}", f"stage={name}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"the first tensor that is not finite: {tensor}"
    assert lines[1] == f"images: {', '.join(images)}"
