"""Calls that go wrong in runs of real stages, one after the other, until the experiment is done.

From an experiment of which some stages are missing, each run has one failing call, a few calls after its
start: what comes before is finished, and the next run goes on from there. `--rounds N` asks for N faults.
"""

import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.storage.artifacts import STAMP, output_records, read_stamp
from pipeline.storage.files import read_json, sha256_of_file
from pipeline.storage.verifying import damage
from tests.faults.outcomes import left_processes
from tests.faults.shim import CALLS, KINDS, Shim, compiler
from tests.faults.warm_runs import WarmRuns

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 3600.0
_FURTHEST_CALL = 90  # counted from a run's start: a stage makes 20 to 200
# Of one experiment, equal runs have other bytes in these alone: they hold seconds, or figures of these.
_TIMED = ("metrics.jsonl", "checkpoint-metrics.json", "cost.json")
_TIMED_STAGES = ("curves", "report")


@dataclass
class Experiment:
    """The smoke experiment in a folder of its own, which has run undisturbed."""

    folder: Path
    shim: Shim
    runs: WarmRuns = field(init=False)
    expected: dict[str, dict] = field(init=False)

    def __post_init__(self) -> None:
        self.marks = {**os.environ, "TOY_RUNS": str(self.folder / "runs.txt")}
        self.runs = WarmRuns(self.folder, self.shim.library, self.marks)
        done, output, _ = self.run()
        assert done == 0, output[-4000:]
        self.expected = self.outcome()

    def run(self, kind: str = "none", at: int = 0) -> tuple[int, str, str]:
        """`doit run all` whose call number `at` goes wrong: exit code, what it said, letters of its calls."""
        variables = self.marks | self.shim.environment(kind, at)
        run = self.runs.start(["doit", "run", "-n", "1", "all", "experiment=my.toml"], variables)
        code = run.wait(timeout=_PATIENCE_SECONDS)
        return code, run.output, self.shim.calls()

    def artifacts(self) -> dict[str, Path]:
        """Link -> artifact of the last finished run."""
        record = read_json(self.folder / "results" / "my" / "experiment.json")
        return {link: self.folder / "results" / path for link, path in record["artifacts"].items()}

    def outcome(self) -> dict[str, dict]:
        """The tables' bytes, and each artifact's outputs that hold no seconds, by their digests."""
        results = self.folder / "results" / "my"
        tables = {path.name: sha256_of_file(path) for path in results.glob("table.*")}
        assert len(tables) > 2
        outputs = {
            link: {name: each for name, each in output_records(path).items() if name not in _TIMED}
            for link, path in self.artifacts().items()
            if not link.startswith(_TIMED_STAGES)
        }
        return {"tables": tables, **outputs}

    def stamps(self) -> dict[Path, bytes]:
        """Of the stages that have finished."""
        return {path: path.read_bytes() for path in (self.folder / "results").glob("artifacts/*/*/" + STAMP)}

    def left(self) -> list[str]:
        """Processes that outlive their run."""
        mark = type("", (), {"runs": self.folder / "runs.txt"})
        return left_processes(mark, besides=self.runs.pid)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Iterator[Experiment]:
    if compiler() is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("smoke")
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", folder)
    (folder / "my.toml").write_text('extends = "smoke"\n')
    (folder / "results").mkdir()
    made = Experiment(folder, Shim(tmp_path_factory.mktemp("shim"), folder / "results"))
    yield made
    made.runs.close()


def disturbed(
    experiment: Experiment, rng: random.Random, untouched: dict[Path, bytes]
) -> tuple[dict | None, list[str]]:
    """One run with a failing call: what failed, and what is wrong then; None: it ended before that call.

    Args:
        untouched: stamps from before stages were deleted; what read these may run again, as some of their
            outputs hold seconds.
    """
    kind, at, before = rng.choice(KINDS), rng.randint(1, _FURTHEST_CALL), experiment.stamps()
    finished_before = {path: each for path, each in before.items() if untouched.get(path) != each}
    started = time.monotonic()
    code, output, calls = experiment.run(kind, at)
    problems = [f"a process is left: {each}" for each in experiment.left()]
    after = experiment.stamps()
    problems += [
        f"{path}: was finished, and ran again"
        for path, stamp in finished_before.items()
        if after.get(path) != stamp
    ]
    for path in after:
        if read_stamp(path.parent) is not None:  # half a stamp counts as none
            problems += [f"{path.parent}: {each}" for each in damage(path.parent)]
    if kind in ("error", "full") and "Traceback" in output:
        problems.append(f"a traceback: {output[-1500:]}")
    if len(calls) < at:
        assert code == 0, output[-2000:]
        return None, problems
    finished = sorted(path.parent.parent.name for path in after.keys() - before.keys())
    stage = _stage_at_work(output)
    trial = {"part": "smoke calls", "kind": kind, "call": CALLS[calls[at - 1]], "at": at, "stage": stage,
             "finished": finished, "code": code, "seconds": round(time.monotonic() - started, 1)}  # fmt: skip
    return trial, problems


def _stage_at_work(output: str) -> str:
    """The stage that doit had started last, as "[3/42] knn:hssl-seed0"; "doit" where none."""
    started = [line for line in output.splitlines() if line.startswith("[") and "up to date" not in line]
    return started[-1] if started else "doit"


@pytest.mark.faults
def test_failing_calls_of_real_stages(experiment, record_trial, request):
    first, asked = request.config.getoption("--first-seed"), request.config.getoption("--rounds")
    faults, seed = 0, first
    while faults < asked:
        rng = random.Random(seed)
        names = sorted(link for link in experiment.artifacts() if not link.startswith("prepare"))
        gone = rng.sample(names, min(len(names), 20))
        for link in gone:
            shutil.rmtree(experiment.artifacts()[link], ignore_errors=True)
        untouched = experiment.stamps()
        while True:
            trial, problems = disturbed(experiment, rng, untouched)
            if trial is None:
                break
            faults += 1
            record_trial({"seed": seed, **trial}, problems)
            assert problems == [], (seed, trial)
        found = experiment.outcome()
        wrong = [name for name in found.keys() | experiment.expected.keys()
                 if found.get(name) != experiment.expected.get(name)]  # fmt: skip
        record_trial({"part": "smoke calls, the experiment", "seed": seed, "stages": gone}, wrong)
        assert wrong == [], seed
        seed += 1
