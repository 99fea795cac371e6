"""The command `doit run watch` as a task of doit."""

import sys

from pipeline.graph.doit_tasks import Task
from pipeline.graph.experiment_graph import ExperimentGraph


def watch_task(project: ExperimentGraph, at_once: int) -> Task:
    """The task that shows the state of the experiment until it is finished."""

    def show() -> None:
        from rich.console import Console  # other commands do without it

        from pipeline.watch.watching import watch

        # doit replaces sys.stdout during an action; the original is the terminal.
        console = Console(file=sys.__stdout__)
        watch(project.experiment.name, project.argument, project.graph, project.main, console, at_once)

    return {"actions": [show]}
