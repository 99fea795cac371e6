"""Random histories of real stages: killed and damaged, they end in the table of an undisturbed run."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_end_to_end import MANY_STEPS, TWO_ARMS, command, run, table

ROOT = Path(__file__).resolve().parents[2]
_ROUNDS_FOR_ONE = 20  # of `--rounds`: a history of real stages takes minutes


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project's files, with an experiment that saves at every logged step and has run once."""
    folder = tmp_path_factory.mktemp("smoke")
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", folder)
    (folder / "my.toml").write_text(TWO_ARMS + MANY_STEPS)
    run(folder, "my.toml")
    return folder


def killed(project: Path, rng: random.Random, longest_seconds: float) -> str:
    """A run that a signal ends, or that ends before."""
    process = subprocess.Popen(
        command("my.toml"), cwd=project, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    number = rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    seconds = rng.uniform(1, longest_seconds)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        process.wait(timeout=600)  # on a busy machine
    return f"{number.name} after {seconds:.0f} s"


def damaged(project: Path, rng: random.Random) -> str:
    """A file of an artifact with a flipped bit, or cut off."""
    artifacts = project / "results" / "artifacts"
    files = sorted(path for path in artifacts.glob("*/*/*") if path.is_file() and path.stat().st_size)
    path = rng.choice(files)
    if rng.random() < 0.5:
        os.truncate(path, rng.randrange(path.stat().st_size))
        return f"cut off: {path.relative_to(artifacts)}"
    with open(path, "r+b") as stream:
        stream.seek(place := rng.randrange(path.stat().st_size))
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ 1 << rng.randrange(8)]))
    return f"flipped: {path.relative_to(artifacts)}"


@pytest.mark.faults
def test_histories_of_real_stages(project, record_trial, request):
    expected, results = table(project, "my"), project / "results"
    first, rounds = request.config.getoption("--first-seed"), request.config.getoption("--rounds")
    for seed in range(first, first + max(1, rounds // _ROUNDS_FOR_ONE)):
        rng, events = random.Random(seed), []
        for stage in rng.sample(("initialize", "pretrain", "features", "knn", "linear", "logistic"), 3):
            shutil.rmtree(results / "artifacts" / stage, ignore_errors=True)
            events.append(f"deleted: {stage}")
        started = time.monotonic()
        for _ in range(rng.randint(1, 3)):
            events.append(killed(project, rng, longest_seconds=60))
            events.append(damaged(project, rng))
        verify = [sys.executable, "-m", "doit", "run", "verify", "experiment=my.toml"]
        output = subprocess.run(verify, cwd=project, capture_output=True, text=True, timeout=600)
        assert "Traceback" not in output.stdout + output.stderr, (seed, events)
        run(project, "my.toml")
        problems = [] if table(project, "my") == expected else ["another table"]
        trial = {"part": "smoke", "seed": seed, "events": events, "seconds": time.monotonic() - started}
        record_trial(trial, problems)
        assert problems == [], (seed, events)
