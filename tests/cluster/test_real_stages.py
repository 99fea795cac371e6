"""Real stages through a real Slurm: the experiment `smoke`, and a training that is warned of its end."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toy_stages.project import wait_for

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 1800
# Images per second are in them, and of the report's pages only the numbers are compared, in the table.
TIMED = {"metrics.jsonl"}
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
    for folder in ("pipeline", "stages"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", tmp_path)
    return tmp_path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "doit", "run", "-n", "4", "-P", "thread", *words]


def ran(project: Path, *words: str) -> dict[str, dict[str, object]]:
    """Run, set the results aside, and return what every artifact is, by stage and name of run."""
    done = subprocess.run(
        command(*words), cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=LIMIT_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return artifacts(project)


def artifacts(project: Path) -> dict[str, dict[str, object]]:
    found = {}
    for path in (project / "results/artifacts").glob("*/*/stamp.json"):
        stamp = json.loads(path.read_text())
        outputs = {name: record for name, record in stamp["outputs"].items() if name not in TIMED}
        found[f"{stamp['stage']}:{stamp['name']}"] = {"fingerprint": stamp["fingerprint"], "outputs": outputs}
    return found


def test_smoke_through_slurm_makes_the_table_of_this_machine_byte_for_byte(project):
    on_nodes = ran(project, "all", "experiment=smoke", "executor=slurm")
    tables = {path.name: path.read_bytes() for path in (project / "results/smoke").glob("table.*")}
    assert len([*(project / "results/slurm").glob("*.out")]) >= len(on_nodes)
    (project / "results").rename(project / "through-slurm")
    here = ran(project, "all", "experiment=smoke")
    assert {path.name: path.read_bytes() for path in (project / "results/smoke").glob("table.*")} == tables
    assert len(tables) > 2
    assert on_nodes.keys() == here.keys()
    for name in on_nodes.keys() - {"report:"}:
        assert on_nodes[name] == here[name], name


def test_a_training_that_is_warned_twice_ends_as_one_that_is_not(project):
    (project / "my.toml").write_text(LONG)
    words = (TRAINING, "experiment=my.toml")
    expected = ran(project, *words)[TRAINING]
    (project / "results").rename(project / "undisturbed")
    doit = subprocess.Popen(
        command(*words, "executor=slurm"), cwd=project, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for more in range(1, 3):
        wait_for(lambda more=more: num_logged(project) > 2 * more, LIMIT_SECONDS)
        logged = num_logged(project)
        (record,) = (project / "results/artifacts/pretrain").glob("*.slurm.json")
        job = json.loads(record.read_text())["job_id"]
        subprocess.run(["scancel", "--batch", "--signal=USR2", job], check=True)
        # Another one is heard only by a job that goes on from this one's checkpoint.
        wait_for(lambda logged=logged: num_logged(project) > logged + 1, LIMIT_SECONDS)
    said = doit.communicate(timeout=LIMIT_SECONDS)[0]
    assert doit.returncode == 0, said
    assert said.count("it is requeued and goes on from its checkpoint") == 2
    found = artifacts(project)[TRAINING]
    for name in ("backbone.safetensors", "student.safetensors"):
        assert found["outputs"][name] == expected["outputs"][name]


def num_logged(project: Path) -> int:
    """Lines of the training's log."""
    paths = [*(project / "results/artifacts/pretrain").glob("*/metrics.jsonl")]
    return len(paths[0].read_text().splitlines()) if paths else 0
