"""Real stages through a real Slurm: the experiment `smoke`, and a training that is warned of its end."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.real_project import (
    LIMIT_SECONDS,
    artifacts,
    copy_project,
    job_of_pretraining,
    num_logged,
    ran,
    started,
)
from tests.toy_stages.project import wait_for

# Long enough to be warned in its middle; threads as on the node, which gives one core.
LONG = """extends = "smoke"
[schedule]
epochs = 40
[runtime]
threads = 1
[executor.slurm]
poll_seconds = 1
"""
TRAINING = "pretrain:hssl-seed0"

pytestmark = pytest.mark.slow


@pytest.fixture
def project(slurm, tmp_path) -> Path:
    """The project's files, without results."""
    copy_project(tmp_path)
    return tmp_path


def test_smoke_through_slurm_makes_the_table_of_this_machine_byte_for_byte(project):
    ran(project, "all", "experiment=smoke", "executor=slurm")
    on_nodes = artifacts(project)
    tables = {path.name: path.read_bytes() for path in (project / "results/smoke").glob("table.*")}
    assert len([*(project / "results/slurm").glob("*.out")]) >= len(on_nodes)
    (project / "results").rename(project / "through-slurm")
    ran(project, "all", "experiment=smoke")
    here = artifacts(project)
    assert {path.name: path.read_bytes() for path in (project / "results/smoke").glob("table.*")} == tables
    assert len(tables) > 2
    assert on_nodes.keys() == here.keys()
    # Of the report's pages only the numbers are compared, in the table.
    for name in on_nodes.keys() - {"report:"}:
        assert on_nodes[name] == here[name], name


def test_a_training_that_is_warned_twice_ends_as_one_that_is_not(project):
    (project / "my.toml").write_text(LONG)
    words = (TRAINING, "experiment=my.toml")
    ran(project, *words)
    expected = artifacts(project)[TRAINING]
    (project / "results").rename(project / "undisturbed")
    doit = started(project, *words, "executor=slurm")
    for more in range(1, 3):
        wait_for(lambda more=more: num_logged(project) > 2 * more, LIMIT_SECONDS)
        logged = num_logged(project)
        job = job_of_pretraining(project)
        subprocess.run(["scancel", "--batch", "--signal=USR2", job], check=True)
        # Another one is heard only by a job that goes on from this one's checkpoint.
        wait_for(lambda logged=logged: num_logged(project) > logged + 1, LIMIT_SECONDS)
    output = doit.communicate(timeout=LIMIT_SECONDS)[0]
    assert doit.returncode == 0, output
    assert output.count("it is requeued and goes on from its checkpoint") == 2
    found = artifacts(project)[TRAINING]
    for name in ("backbone.safetensors", "student.safetensors"):
        assert found["outputs"][name] == expected["outputs"][name]
