"""Random histories, drawn from a seed: events that may happen to a project before a run, and the run."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.trials import PATIENCE_SECONDS, Bench
from tests.faults.warm_runs import WarmRun

_LONGEST_SECONDS = 1.5  # until a signal; a run from scratch takes about twice that
_STOPPED_SECONDS = 0.3
_MOST_CALLS = 400  # of a run from scratch
_MOST_EVENTS = 3


@dataclass
class History:
    """The events of one round, which its seed reproduces."""

    seed: int
    events: list[str]
    problems: list[str]


def play(bench: Bench, seed: int) -> History:
    """Play one round: an initial state, up to three events, and the run that must repair everything."""
    rng = random.Random(seed)
    history = History(seed, [], [])
    fresh = rng.random() < 0.2
    bench.restore(fresh=fresh)
    history.events.append("nothing has run" if fresh else "all has run")
    damaged = False
    for _ in range(rng.randint(1, _MOST_EVENTS)):
        name = rng.choice(list(EVENTS))
        history.events.append(f"{name} {EVENTS[name](bench, rng)}".strip())
        history.problems += [f"after {name}: left: {each}" for each in bench.left_processes()]
        damaged = damaged or name in ("flip", "truncate")
    epochs = rng.choice(list(bench.expected))
    history.events.append(f"run with {epochs} epochs")
    history.problems += bench.settle(epochs, verify=damaged)
    return history


def _start(bench: Bench, rng: random.Random, variables: dict[str, str] | None = None) -> WarmRun:
    """Start a run of a configuration that may have been edited."""
    bench.project.configure(epochs=rng.choice(list(bench.expected)))
    return bench.begin("run", "all", variables=variables)


def _signalled(number: signal.Signals) -> Callable[[Bench, random.Random], str]:
    def act(bench: Bench, rng: random.Random) -> str:
        process, seconds = _start(bench, rng), rng.uniform(0, _LONGEST_SECONDS)
        _wait(process, seconds)
        process.send_signal(number)
        process.wait(timeout=PATIENCE_SECONDS)
        return f"after {seconds:.2f} s"

    return act


def _stopped(bench: Bench, rng: random.Random) -> str:
    process, seconds = _start(bench, rng), rng.uniform(0, _LONGEST_SECONDS)
    _wait(process, seconds)
    process.send_signal(signal.SIGSTOP)
    time.sleep(_STOPPED_SECONDS)
    process.send_signal(signal.SIGCONT)
    process.wait(timeout=PATIENCE_SECONDS)
    return f"after {seconds:.2f} s"


def _stage_killed(bench: Bench, rng: random.Random) -> str:
    process, seconds = _start(bench, rng), rng.uniform(0, _LONGEST_SECONDS)
    _wait(process, seconds)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    killed = children.read_text().split()[:1] if children.exists() else []
    for pid in killed:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    process.wait(timeout=PATIENCE_SECONDS)
    return f"after {seconds:.2f} s"


def _call(kind: str) -> Callable[[Bench, random.Random], str]:
    def act(bench: Bench, rng: random.Random) -> str:
        at = rng.randint(1, _MOST_CALLS)
        _start(bench, rng, bench.shim.environment(kind, at)).wait(timeout=PATIENCE_SECONDS)
        return f"at call {at}"

    return act


def _read_only(bench: Bench, rng: random.Random) -> str:
    _start(bench, rng, bench.shim.environment("readonly")).wait(timeout=PATIENCE_SECONDS)
    return ""


def _runs_at_once(bench: Bench, rng: random.Random) -> str:
    runs = [_start(bench, rng)]
    for _ in range(rng.randint(1, 2)):
        _wait(runs[0], rng.uniform(0, 1))
        runs.append(_start(bench, rng))
    killed = rng.random() < 0.5
    if killed:
        _wait(runs[0], rng.uniform(0, _LONGEST_SECONDS))
        runs[0].kill()
    for run in runs:
        run.wait(timeout=PATIENCE_SECONDS)
    return f"{len(runs)} of them{', the first killed' if killed else ''}"


def _clock_set_back(bench: Bench, rng: random.Random) -> str:
    """Set the clock back for a run, which may be killed: earlier code and results are then in the future."""
    seconds = rng.choice((2, 3600, 86400, 20 * 365 * 86400))
    for part in ("results", "pipeline", "stages"):
        for path in (bench.project.folder / part).rglob("*"):
            if not path.is_symlink():
                then = path.stat().st_mtime + seconds
                os.utime(path, (then, then))
    run = _start(bench, rng, bench.shim.environment(set_back_seconds=seconds))
    killed = rng.random() < 0.5
    if killed:
        _wait(run, rng.uniform(0, _LONGEST_SECONDS))
        run.kill()
    run.wait(timeout=PATIENCE_SECONDS)
    return f"by {seconds} s{', killed' if killed else ''}"


def _damaged(change: Callable[[Path, random.Random], None]) -> Callable[[Bench, random.Random], str]:
    def act(bench: Bench, rng: random.Random) -> str:
        results = bench.project.folder / "results"
        files = sorted(
            path for path in results.rglob("*") if path.is_file() and not path.is_symlink()
            and path.stat().st_size and "my/artifacts/" not in path.as_posix()
        )  # fmt: skip
        if not files:
            return "nothing to damage"
        path = rng.choice(files)
        change(path, rng)
        return path.relative_to(results).as_posix()

    return act


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _truncate(path: Path, rng: random.Random) -> None:
    os.truncate(path, rng.randrange(path.stat().st_size))


def _deleted(bench: Bench, rng: random.Random) -> str:
    folders = sorted((bench.project.folder / "results" / "artifacts").glob("*/*/"))
    if not folders:
        return "nothing to delete"
    folder = rng.choice(folders)
    shutil.rmtree(folder)
    return folder.relative_to(bench.project.folder).as_posix()


def _wait(process: WarmRun, seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)


EVENTS: dict[str, Callable[[Bench, random.Random], str]] = {
    "kill": _signalled(signal.SIGKILL),
    "term": _signalled(signal.SIGTERM),
    "int": _signalled(signal.SIGINT),
    "stop and continue": _stopped,
    "a stage killed": _stage_killed,
    "error": _call("error"),
    "kill before a call": _call("kill"),
    "disk full": _call("full"),
    "torn write": _call("torn"),
    "read-only folder": _read_only,
    "runs at once": _runs_at_once,
    "clock set back": _clock_set_back,
    "flip": _damaged(_flip),
    "truncate": _damaged(_truncate),
    "delete": _deleted,
}
