"""Turns nodes into the dictionaries from which doit makes tasks: names, groups and order."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pipeline.graph.node import GROUPS, Node
from pipeline.graph.study_nodes import STUDY_TABLES


def stage_tasks(
    nodes: list[Node], experiment: str, *, run: Callable, is_current: Callable[[str], bool]
) -> Iterator[dict[str, Any]]:
    """A task for every node and, where a group has several nodes, one task that runs them all.

    Args:
        nodes: the experiment's nodes.
        experiment: the experiment's name.
        run: called with a node's label.
        is_current: called with a node's label; returns whether its artifact is up to date.
    """
    for group, title in GROUPS.items():
        members = [node for node in nodes if node.group == group]
        if not members:
            line = f"{group} is no part of {experiment}: the experiment has no section for it"
            doc = f"(no part of this experiment) {title}"
            yield {"basename": group, "doc": doc, "actions": [partial(print, line)]}
        elif [node.task for node in members] != [""]:
            current = [(is_current, [node.label]) for node in members]
            yield {"basename": group, "name": None, "doc": title, "uptodate": current}
        for node in members:
            yield {
                "basename": group,
                **({"name": node.task, "doc": f"  {node.words}"} if node.task else {"doc": title}),
                "actions": [(run, [node.label])],
                "uptodate": [(is_current, [node.label])],
                "task_dep": [*dict.fromkeys(upstream.label for upstream in _awaited(node))],
            }


def _awaited(node: Node) -> list[Node]:
    """What has to run before a node. A report shows studies that are done, and never has one run."""
    skipped = STUDY_TABLES if node.stage == "report" else ()
    return [each for each in node.upstream.values() if each.stage not in skipped]
