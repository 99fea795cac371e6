"""The time, memory and machines that an experiment took, from the stamps of its artifacts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.storage.artifacts import read_stamp
from pipeline.storage.runs import Run


@dataclass(frozen=True)
class StageCost:
    """The cost of all runs of one stage."""

    stage: str
    runs: int
    seconds: float  # sum over runs
    thread_seconds: float  # seconds times reserved threads
    devices: str  # "cpu", or the name of a GPU
    peak_mib: float  # largest memory of a run's process


def stage_costs(runs: Iterable[Run]) -> list[StageCost]:
    """The cost of every stage; runs shared by seeds count once."""
    of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in {run.directory: run for run in runs}.values():
        of[run.stage].append(_stamp(run.directory))
    return [_cost(stage, stamps) for stage, stamps in of.items()]


def machines(runs: Iterable[Run]) -> list[str]:
    """Each distinct combination of processor, GPU, system, Python and commit that stages ran with."""
    found = {}
    for run in runs:
        about = _stamp(run.directory)["environment"]
        commit = about.get("git_commit")
        parts = [about.get("processor"), about.get("card"), about.get("platform")]
        parts += [f"Python {about['python']}"] if "python" in about else []
        parts += [f"commit {commit}"] if commit else []
        found[", ".join(filter(None, parts))] = None
    return [line for line in found if line]


def _cost(stage: str, stamps: list[dict[str, Any]]) -> StageCost:
    about = [stamp["environment"] for stamp in stamps]
    seconds = [stamp["seconds"] for stamp in stamps]
    threads = [each.get("threads", 1) * each.get("ranks", 1) for each in about]
    devices = dict.fromkeys(each.get("card") or each.get("device") or "cpu" for each in about)
    return StageCost(
        stage,
        len(stamps),
        sum(seconds),
        sum(one * of_one for one, of_one in zip(seconds, threads, strict=True)),
        ", ".join(devices),
        max(each.get("peak_memory_bytes", 0) for each in about) / 2**20,
    )


def _stamp(directory: Path) -> dict[str, Any]:
    return {"seconds": 0.0, "environment": {}} | (read_stamp(directory) or {})
