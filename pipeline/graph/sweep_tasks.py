"""doit's tasks of a sweep: its trials, the checks before them, and their comparison."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from doit.exceptions import TaskFailed

from pipeline.graph.doit_tasks import Task, failing, node_task, refused_in_one_line
from pipeline.graph.programs import run_program
from pipeline.graph.sweep import TRIALS, Sweep

BEFORE_TRIALS = ("_checks", "_trial_checks")  # what every stage of a trial waits for


def trial_tasks(sweep: Sweep) -> Iterator[Task]:
    """A task for each stage of each trial; for a search, whose trials are unknown, only for the data."""
    for name, graph in sweep.checked.items():
        for node in sweep.nodes_before(name):
            start = f"{TRIALS}:{name}:"
            yield {
                "basename": TRIALS,
                "name": f"{name}:{node.label}",
                "doc": f"  {node.stage} {node.key.description}",
                **node_task(graph, node, node.upstream.values(), start, first=BEFORE_TRIALS),
            }


def trial_checks(sweep: Sweep) -> Task:
    """The task that checks the trials' data and devices before any of them runs."""

    def check() -> TaskFailed | None:
        from pipeline.graph.problems import problems_of_trials  # needs Pillow and more

        return failing(problems_of_trials(sweep.whole.experiment, sweep.checked, sweep.executor))

    return {"actions": [refused_in_one_line(check)]}


def sweep_task(sweep: Sweep, *, at_once: int, place: str, root: Path, folder: Path) -> Task:
    """The task that runs all trials and compares them.

    Args:
        at_once: how many stages run at once.
        place: name of the executor.
        root: the project's folder.
        folder: the user's current folder.
    """
    compare = partial(_compare, sweep, root=root, folder=folder)
    if sweep.is_search:

        def search() -> TaskFailed | None:
            names = sweep.search(at_once=at_once, executor=place)
            table = sweep.whole.folder / "search.md"
            print(f"\n{table.read_text(encoding='utf-8')}\nthe same in {table}")
            return compare(names) if len(names) > 1 else None

        return {"actions": [refused_in_one_line(search)], "task_dep": [*BEFORE_TRIALS, *sweep.labels]}
    if not sweep.graphs:
        name = sweep.whole.experiment.name
        line = f"sweep is no part of {name}: the experiment has no section for it"
        return {"actions": [partial(failing, [line])]}
    awaited = [*BEFORE_TRIALS, "_trial_files", *sweep.labels]
    return {"actions": [lambda: compare(sweep.names)], "task_dep": awaited}


def _compare(sweep: Sweep, names: list[str], *, root: Path, folder: Path) -> TaskFailed | None:
    options = {"experiments": ",".join(names), "by": "config", "out": str(sweep.page)}
    failed = run_program("compare", options, root=root, folder=folder)
    return TaskFailed("the trials were not compared") if failed else None
