"""The stage on two ranks: one is killed, and the next run goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.graph.stage_runner import Job
from pipeline.training.metrics_log import read_metrics
from tests.pipeline.several_ranks import LIMIT_SECONDS, needs_mpi

pytestmark = pytest.mark.slow  # processes that wait for one another

ROOT = Path(__file__).resolve().parents[2]
NUM_STEPS = 60


@pytest.fixture
def job(tiny_prepared, tiny_config, tmp_path) -> Path:
    schedule = tiny_config.schedule.model_copy(update={"epochs": NUM_STEPS / 3})
    values = Job(
        stage="pretrain", name="hssl-seed3", run={"arm": "hssl", "seed": 3}, runs=[], fingerprint="f",
        code="c", libraries={}, made_with={}, identities={}, lineage={}, work=1.0,
        inputs={"data": str(tiny_prepared)},
        config=tiny_config.model_copy(update={"schedule": schedule}).model_dump(mode="json"),
        output=str(tmp_path / "out"),
        runtime={"devices": 2, "device": "cpu", "log_every_steps": 1, "checkpoint_every_minutes": 1e-9},
    )  # fmt: skip
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "job.json"
    path.write_text(json.dumps(asdict(values)))
    return path


def started(job: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "stages.pretrain", str(job)]
    with open(job.with_name("stage.log"), "w") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


def ranks_below(parent: int) -> dict[int, int]:
    """Rank -> number of the process, of those that a process started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            (parent_of,) = folder.joinpath("stat").read_text().rpartition(")")[2].split()[1:2]
            variables = folder.joinpath("environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        ranks = [each.partition(b"=")[2] for each in variables if each.startswith(b"OMPI_COMM_WORLD_RANK=")]
        if int(parent_of) == parent and ranks:
            found[int(ranks[0])] = int(folder.name)
    return found


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


@needs_mpi
@pytest.mark.parametrize("killed", ["a rank", "mpirun"])
def test_a_killed_rank_ends_the_stage_and_the_next_run_goes_on(job, killed):
    output = job.parent
    first = started(job)
    try:
        log = output / "metrics.jsonl"
        wait_until(lambda: len(read_metrics(log)) > 3 or first.poll() is not None, LIMIT_SECONDS)
        assert first.poll() is None, (output / "stage.log").read_text()
        ranks = ranks_below(first.pid)
        assert sorted(ranks) == [0, 1]
        os.kill(ranks[1] if killed == "a rank" else first.pid, signal.SIGKILL)
        assert first.wait(60) != 0
        wait_until(lambda: not any(map(alive, ranks.values())), 20)
    finally:
        first.kill()
    if killed == "a rank":
        log = (output / "stage.log").read_text()
        assert "rank 1" in log
        assert "signal 9" in log
    assert not (output / "stamp.json").exists()
    reached = len(read_metrics(output / "metrics.jsonl"))
    assert reached < NUM_STEPS
    assert started(job).wait(LIMIT_SECONDS) == 0, (output / "stage.log").read_text()
    stamp = json.loads((output / "stamp.json").read_text())
    assert stamp["environment"]["ranks"] == 2
    assert {"backbone.safetensors", "student.safetensors", "metrics.jsonl"} == stamp["outputs"].keys()
    steps = [line["step"] for line in read_metrics(output / "metrics.jsonl")]
    assert steps == list(range(1, NUM_STEPS + 1))
