"""The current state of each stage of an experiment, read from its artifact without changing or waiting."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.graph.fingerprints import Graph
from pipeline.graph.makers import maker
from pipeline.graph.node import Node
from pipeline.graph.plan import Step, plan
from pipeline.storage.artifacts import INTERRUPTED, JOB, LIVE, LOG, read_stamp

DONE, RUNNING, STOPPED, WAITING = "done", "running", "stopped", "waiting"
_NOTE = re.compile(r"^step \d+: ")  # prefix of a training's warnings in its log
_PERCENT = re.compile(r"(\d+)%\|")  # of tqdm's bar
_LOG_END_BYTES = 65536


@dataclass(frozen=True)
class StageState:
    """The state of a stage."""

    label: str
    state: str
    seconds: float | None = None  # duration of a finished stage, or so far of a running one
    remaining_seconds: float | None = None  # expected; 0 when done, None if unknown
    bar: str = ""  # current progress bar of a running stage
    notes: tuple[str, ...] = ()  # warnings in its log; of a stopped stage, the last line too


def stage_states(graph: Graph, nodes: list[Node], at_once: int = 1) -> list[StageState]:
    """The states of `nodes`, in their order, if `at_once` stages run in parallel."""
    steps = {step.label: step for step in plan(graph, nodes, at_once=at_once)}
    return [_state(graph, node, steps.get(node.label)) for node in nodes]


def _state(graph: Graph, node: Node, step: Step | None) -> StageState:
    """The state of a node, given its step of the plan; None: its artifact is current."""
    directory = graph.directory(node)
    if step is None:
        return StageState(node.label, DONE, read_stamp(directory)["seconds"], 0.0, notes=_notes(directory))
    if step.fault != INTERRUPTED:
        return StageState(node.label, WAITING, None, step.seconds)
    if maker(directory) is None:
        last = (_last_lines(directory) or ["ended without a word"])[-1]
        notes = (*_notes(directory), f"{last} (see {directory / LOG})")
        return StageState(node.label, STOPPED, None, step.seconds, notes=notes)
    seconds, bar = time.time() - (directory / JOB).stat().st_mtime, _bar(directory)
    remaining = _remaining(seconds, bar, step.seconds)
    return StageState(node.label, RUNNING, seconds, remaining, bar, _notes(directory))


def _remaining(seconds: float, bar: str, expected_seconds: float | None) -> float | None:
    """Seconds left by the bar's percentage; before its first percent, by the expected duration."""
    if (found := _PERCENT.search(bar)) and (percent := int(found[1])):
        return seconds * (100 - percent) / percent
    known = expected_seconds is not None and expected_seconds > seconds
    return expected_seconds - seconds if known else None


def _bar(directory: Path) -> str:
    try:
        return (directory / LIVE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _notes(directory: Path) -> tuple[str, ...]:
    return tuple(line for line in _last_lines(directory) if _NOTE.match(line))


def _last_lines(directory: Path) -> list[str]:
    """The non-empty lines in the last `_LOG_END_BYTES` of a stage's log."""
    try:
        with open(directory / LOG, "rb") as stream:
            stream.seek(max((directory / LOG).stat().st_size - _LOG_END_BYTES, 0))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]
