"""A project with the real stages and dodo.py, whose stages may be jobs of Slurm."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 1800
# Begins an experiment with few images; keys of its schedule follow.
FEW_IMAGES = """extends = "smoke"
[data.photo_scenes]
num_train = 64
num_val = 32
num_test = 32
[schedule]
"""
# Contains images per second.
TIMED = {"metrics.jsonl"}


def copy_project(folder: Path) -> None:
    """The project's files, without results."""
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", folder)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "doit", "run", "-n", "4", "-P", "thread", *words]


def started(project: Path, *words: str) -> subprocess.Popen:
    """Start a command; its output is read from the returned process."""
    return subprocess.Popen(
        command(*words), cwd=project, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def ran(project: Path, *words: str) -> str:
    """Run a command, require success, and return its output."""
    done = subprocess.run(
        command(*words), cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=LIMIT_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def artifacts(project: Path) -> dict[str, dict[str, object]]:
    """Digests of every artifact's outputs, by stage and name of the run."""
    found = {}
    for path in (project / "results/artifacts").glob("*/*/stamp.json"):
        stamp = json.loads(path.read_text())
        outputs = {name: record for name, record in stamp["outputs"].items() if name not in TIMED}
        found[f"{stamp['stage']}:{stamp['name']}"] = {"fingerprint": stamp["fingerprint"], "outputs": outputs}
    return found


def num_logged(project: Path) -> int:
    """Lines of the pretraining's log."""
    paths = [*(project / "results/artifacts/pretrain").glob("*/metrics.jsonl")]
    return len(paths[0].read_text().splitlines()) if paths else 0


def job_of_pretraining(project: Path) -> str:
    """Number of Slurm's job of the pretraining."""
    (record,) = (project / "results/artifacts/pretrain").glob("*.slurm.json")
    return json.loads(record.read_text())["job_id"]
