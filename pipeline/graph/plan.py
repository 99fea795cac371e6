"""Lists what a run would do, why, and roughly how long it would take."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.graph.fingerprints import Graph
from pipeline.graph.forecasts import Forecasts
from pipeline.graph.makers import maker
from pipeline.graph.node import Node
from pipeline.storage.artifacts import INTERRUPTED, artifacts_root, read_stamp

_LONGEST_SHOWN = 60  # characters of a value


@dataclass(frozen=True)
class Step:
    """One stage that would run."""

    label: str
    reasons: tuple[str, ...]
    seconds: float | None  # None: the stage has never run here, and there is no basis for a forecast
    forecast: bool = False  # the seconds come from the configuration, not from earlier runs
    fault: str = ""  # why the artifact itself is not current

    def of(self, trial: str) -> "Step":
        """The same step, named by its trial among those of several experiments."""
        return replace(self, label=f"{trial}:{self.label}")


def plan(
    graph: Graph,
    nodes: list[Node] | None = None,
    forecasts: Callable[[Graph], Forecasts] | None = None,
    at_once: int = 1,
) -> list[Step]:
    """The steps for those of `nodes` (by default all) that are not current, in order, with reasons.

    Args:
        forecasts: called with the graph; returns the forecasts for stages that have never run here. None: for
            this machine, whose cores `at_once` stages share.
    """
    nodes = graph.nodes if nodes is None else nodes
    expected = forecasts(graph) if forecasts else Forecasts(graph, at_once=at_once)
    stamps = {stage: _stamps(graph.results, stage) for stage in {node.stage for node in nodes}}
    steps, pending = [], set()
    for node in nodes:
        upstream = [other.label for other in node.upstream.values() if other in pending]
        fault = graph.fault(node)
        if fault is None:
            continue
        pending.add(node)
        reasons = _reasons(graph, node, fault, stamps[node.stage])
        if upstream and fault != "waits for prepare":
            reasons = [*reasons, f"reads {', '.join(upstream[:3])}{', ...' if len(upstream) > 3 else ''}"]
        seconds, forecast = _estimate(graph, node, stamps[node.stage], expected)
        steps.append(Step(node.label, tuple(reasons), seconds, forecast, fault))
    return steps


def planned(graph: Graph, chosen: set[Node], at_once: int = 1) -> list[str]:
    """Lines with the plan of some of the graph's nodes, in the graph's order."""
    nodes = [node for node in graph.nodes if node in chosen]
    return plan_lines(plan(graph, nodes, at_once=at_once), len(nodes), at_once)


def plan_lines(steps: list[Step], num_nodes: int, at_once: int = 1) -> list[str]:
    """Lines with the plan, for the user.

    Args:
        at_once: how many stages run at once.
    """
    lines = []
    width = max((len(step.label) for step in steps), default=0)
    for step in steps:
        duration = "-" if step.seconds is None else duration_text(step.seconds)
        reasons = "; ".join([*step.reasons, *(["time is a forecast"] if step.forecast else [])])
        lines.append(f"{step.label:<{width}} {duration:>8}  {reasons}")
    known = [step.seconds for step in steps if step.seconds is not None]
    total = f"about {elapsed(known, at_once)}" if known else "of unknown duration"
    unknown = len(steps) - len(known)
    if known and unknown:
        total += f" and {of_unknown_duration(unknown)}"
    closing = f"{len(steps)} of {num_nodes} stages would run, {total}" if steps else "nothing to do"
    return [*lines, closing]


def of_unknown_duration(num_stages: int) -> str:
    """So many stages, of which nobody can say how long they take."""
    return f"{num_stages} stage{'' if num_stages == 1 else 's'} of unknown duration"


def elapsed(durations: list[float], at_once: int) -> str:
    """`whole_seconds` as text, with the number of stages at once."""
    return duration_text(whole_seconds(durations, at_once)) + (
        f", {at_once} stages at once" if at_once > 1 else ""
    )


def whole_seconds(durations: list[float], at_once: int) -> float:
    """Time of all stages together, if none has to wait for another."""
    return max(sum(durations) / at_once, max(durations, default=0))


def duration_text(seconds: float) -> str:
    """A duration for people: 0.4 s, 12 s, 3 min, 2.5 h."""
    if seconds < 0.05:
        return "< 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _stamps(results: Path, stage: str) -> list[dict[str, Any]]:
    """Stamps of all artifacts of a stage, newest first."""
    found = [read_stamp(path) for path in sorted((artifacts_root(results) / stage).glob("*/"))]
    return sorted((stamp for stamp in found if stamp), key=lambda stamp: stamp["started"], reverse=True)


def _reasons(graph: Graph, node: Node, fault: str, stamps: list[dict[str, Any]]) -> list[str]:
    """Why a node must run: its fault, or how a new artifact differs from the most similar older one."""
    if fault == INTERRUPTED and (who := maker(graph.directory(node))):
        return [f"is being made by {who}"]
    if fault not in ("never run", "waits for prepare"):
        return [fault]
    config, code, libraries = node.config.model_dump(mode="json"), graph.code_of(node), graph.libraries(node)
    try:
        inputs = graph.identities(node)
    except (OSError, ValueError):
        inputs = None  # the line of `prepare` shows the error

    def differences(stamp: dict[str, Any]) -> list[str]:
        found = [_changed(key, old, new) for key, old, new in _changes(stamp["config"], config)]
        if stamp["code"] != code:
            found.append("its code changed")
        found += [f"{name} {old} -> {new}" for name, old, new in _changes(stamp.get("libraries"), libraries)]
        then = stamp["inputs"]
        changed = [
            name
            for name in sorted({*then, *(inputs or then)})
            if inputs and then.get(name) != inputs.get(name)
        ]
        if changed:
            named = f"{', '.join(changed[:3])}{', ...' if len(changed) > 3 else ''}"
            found.append(
                "the source's files changed" if changed == ["listing"] else f"input changed: {named}"
            )
        return found

    same = [stamp for stamp in stamps if stamp["name"] == node.name]
    nearest = min((differences(stamp) for stamp in same), key=len, default=None)
    if fault == "waits for prepare":
        return [fault, *(["runs if that comes out different"] if nearest == [] else nearest or [])]
    if nearest is None:
        return [fault]
    return nearest or ["a value that is computed from its configuration changed"]


def _changes(old: Any, new: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Values that differ, as (config path, old, new)."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            change
            for key in keys
            for change in _changes(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if old == new else [(path, old, new)]


def _changed(key: str, old: Any, new: Any) -> str:
    texts = ["none" if value is None else " ".join(str(value).split()) for value in (old, new)]
    # Long texts, such as the settings that a report shows, may differ only beyond a cut.
    return f"{key} changed" if max(map(len, texts)) > _LONGEST_SHOWN else f"{key} {' -> '.join(texts)}"


def _estimate(
    graph: Graph, node: Node, stamps: list[dict[str, Any]], expected: Forecasts
) -> tuple[float | None, bool]:
    """Expected seconds, and whether they are a forecast.

    The pace of earlier runs depends on their images: an epoch of another data set takes another time. So runs
    on the same images come first, then the forecast, and runs on other images only without a forecast.
    """
    seconds = _at_pace(node, _on_same_images(graph, node, stamps))
    if seconds is not None:
        return seconds, False
    seconds = expected.seconds(node)
    return (_at_pace(node, stamps), False) if seconds is None else (seconds, True)


def _on_same_images(graph: Graph, node: Node, stamps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Stamps of runs on the same prepared images; all stamps if the node reads none."""
    names = [name for name, upstream in node.upstream.items() if upstream.stage == "prepare"]
    if not names:
        return stamps
    try:
        inputs = graph.identities(node)
    except (OSError, ValueError):
        inputs = None
    if inputs is None:  # not prepared yet: the number of images is unknown
        return []
    return [stamp for stamp in stamps if all(stamp["inputs"].get(name) == inputs[name] for name in names)]


def _at_pace(node: Node, stamps: list[dict[str, Any]]) -> float | None:
    """The node's work times the median pace of the latest five runs."""
    paces = [stamp["seconds"] / stamp["work"] for stamp in stamps[:5] if stamp.get("work")]
    return median(paces) * node.work if paces else None
