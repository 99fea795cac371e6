"""Converts nodes and programs to doit's tasks: names, groups, order, actions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import doit
from doit.exceptions import TaskFailed

from pipeline.graph.experiment_graph import ExperimentGraph
from pipeline.graph.node import GROUPS, Node
from pipeline.graph.printable import error_text
from pipeline.graph.programs import run_program
from pipeline.graph.study_nodes import STUDY_TABLES

Task = dict[str, Any]


def stage_tasks(graph: ExperimentGraph, first: Sequence[str]) -> Iterator[Task]:
    """A task for every node and, if a group has several nodes, one task that runs them all.

    Args:
        first: names of tasks that every node waits for.
    """
    for group, title in GROUPS.items():
        members = [node for node in graph.graph.nodes if node.group == group]
        if not members:
            line = f"{group} is no part of {graph.experiment.name}: the experiment has no section for it"
            doc = f"(no part of this experiment) {title}"
            yield {"basename": group, "doc": doc, "actions": [partial(failing, [line])]}
        elif [node.task for node in members] != [""]:
            current = [(graph.is_current, [node.label]) for node in members]
            yield {"basename": group, "name": None, "doc": title, "uptodate": current}
        for node in members:
            named = {"name": node.task, "doc": f"  {node.description}"} if node.task else {"doc": title}
            yield {"basename": group, **named, **node_task(graph, node, _awaited(node), first=first)}


def node_task(
    graph: ExperimentGraph, node: Node, awaited: Iterable[Node], start: str = "", *, first: Sequence[str]
) -> Task:
    """A node's task without its name: what it does, when it is up to date, and what it waits for.

    Args:
        graph: the node's graph.
        awaited: nodes that must run before.
        start: prefix of the node's labels in the names of their tasks.
        first: names of tasks that come before any stage, also if several run at once.
    """
    return {
        "actions": [partial(_run_stage, graph, node.label)],
        "uptodate": [(graph.is_current, [node.label])],
        "task_dep": [*first, *dict.fromkeys(f"{start}{upstream.label}" for upstream in awaited)],
    }


def failing(problems: Iterable[str]) -> TaskFailed | None:
    """The failure of an action that found problems, one per line; None if it found none."""
    text = "\n".join(problems)
    return TaskFailed(text) if text else None


def refused_in_one_line(act: Callable[[], Any]) -> Callable[[], Any]:
    """The action, made to fail with the message alone if the machine or a file is at fault."""

    def acted() -> Any:
        try:
            return act()
        except (OSError, ValueError) as error:
            return TaskFailed(error_text(error))

    return acted


def program_task(name: str, problem: str, options: Iterable[str], *, root: Path, folder: Path) -> Task:
    """A task that runs a program of stages/.

    Args:
        problem: message if the program fails, after its own output.
        options: names of options to pass on if the command line has them.
        root: the project's folder.
        folder: where the program runs.
    """

    def act() -> TaskFailed | None:
        given = {option: doit.get_var(option) for option in options if doit.get_var(option)}
        return TaskFailed(problem) if run_program(name, given, root=root, folder=folder) else None

    return {"actions": [act]}


def _run_stage(graph: ExperimentGraph, label: str) -> TaskFailed | None:
    problem = graph.run(label)
    return TaskFailed(problem) if problem else None


def _awaited(node: Node) -> list[Node]:
    """The nodes that run before a node. A report shows finished studies, but never makes one run."""
    skipped = STUDY_TABLES if node.stage == "report" else ()
    return [each for each in node.upstream.values() if each.stage not in skipped]
