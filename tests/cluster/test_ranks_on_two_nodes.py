"""A pretraining on two ranks, each on its own node of a real Slurm, is that of two ranks of one machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster.real_project import FEW_IMAGES, LIMIT_SECONDS, artifacts, copy_project, ran, started
from tests.pipeline.several_ranks import needs_mpi
from tests.toy_stages.project import wait_for

pytestmark = [pytest.mark.slow, needs_mpi]
TASK = "pretrain:hssl-seed0"
# Two threads on each node, as many as its job asks for: one for each rank of this machine.
SETTINGS = (
    FEW_IMAGES
    + """epochs = 2
batch_size = 16
[runtime]
device = "cpu"
devices = 2
threads = {threads}
log_every_steps = 1
[executor.slurm]
poll_seconds = 1
[executor.slurm.stages.pretrain]
partition = "pair"
nodes = {nodes}
"""
)


def on_pair() -> str:
    """States of the nodes of the partition with both."""
    command = ["sinfo", "--noheader", "--partition=pair", "--format=%D %T"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def ranks_below(project: Path) -> dict[str, str]:
    """Number of each rank that runs in the project -> its host, as the namespace of its name."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
            variables = dict(
                line.partition("=")[::2] for line in (process / "environ").read_bytes().decode().split("\0")
            )
            host = os.readlink(process / "ns/uts")
        except (OSError, UnicodeDecodeError):
            continue
        if "stages.pretrain" in words and any(word.startswith(str(project)) for word in words):
            rank = variables.get("OMPI_COMM_WORLD_RANK")
            found |= {rank: host} if rank else {}
    return found


@pytest.fixture(scope="module")
def project(slurm, tmp_path_factory) -> Path:
    try:
        wait_for(lambda: on_pair() == "2 idle", 60)
    except AssertionError:
        pytest.skip(f"the second node does not start here: {on_pair()!r}")
    folder = tmp_path_factory.mktemp("two-nodes")
    copy_project(folder)
    (folder / "my.toml").write_text(SETTINGS.format(threads=2, nodes=1))
    ran(folder, TASK, "experiment=my.toml")
    return folder


def test_two_nodes_train_what_two_ranks_of_one_machine_train(project):
    here = artifacts(project)[TASK]
    shutil.rmtree(project / "results/artifacts/pretrain")
    (project / "my.toml").write_text(SETTINGS.format(threads=1, nodes=2))
    doit = started(project, TASK, "experiment=my.toml", "executor=slurm")
    hosts = {}

    def both_seen() -> bool:
        hosts.update(ranks_below(project))
        return len(hosts) == 2

    wait_for(lambda: both_seen() or doit.poll() is not None, LIMIT_SECONDS)
    printed = doit.communicate(timeout=LIMIT_SECONDS)[0]
    assert doit.returncode == 0, printed
    assert set(hosts) == {"0", "1"}
    assert hosts["0"] != hosts["1"]
    assert artifacts(project)[TASK] == here


def test_more_nodes_than_ranks_are_refused_before_anything_is_submitted(project):
    (project / "my.toml").write_text(SETTINGS.format(threads=1, nodes=4))
    doit = started(project, TASK, "experiment=my.toml", "executor=slurm")
    printed = doit.communicate(timeout=LIMIT_SECONDS)[0]
    assert doit.returncode != 0
    key = "executor.slurm.stages.pretrain.nodes 4"
    expected = f"{key}: expected as many ranks on each node, found runtime.devices 2"
    assert printed.strip().splitlines() == [expected]
