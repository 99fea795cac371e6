"""Finds what would stop a run, before anything long: in the machine, the data, memory and disk."""

from collections.abc import Iterable, Mapping

from pipeline.config.experiment import Experiment
from pipeline.doctor.checks import cheap_checks, experiment_checks, failures
from pipeline.graph.executors import Executor, runs_here
from pipeline.graph.experiment_graph import ExperimentGraph
from pipeline.graph.node import Node
from pipeline.graph.shortages import Shortages
from pipeline.graph.study_nodes import needed


def problems_of(graph: ExperimentGraph, executor: Executor) -> list[str]:
    """A line for each thing that would stop `doit run all`, with its remedy."""
    here = runs_here(executor)
    problems = failures(cheap_checks(graph.experiment, graph.graph.results, runs_here=here))
    return problems or shortages_of(graph, graph.main, executor)


def shortages_of(graph: ExperimentGraph, nodes: Iterable[Node], executor: Executor) -> list[str]:
    """A line for each stage among nodes and what they need that finds too little memory or disk here."""
    if not runs_here(executor):
        return []
    run = needed(nodes)
    return Shortages(graph.graph).before_all(node for node in graph.graph.nodes if node in run)


def problems_of_trials(
    whole: Experiment, trials: Mapping[str, ExperimentGraph], executor: Executor
) -> list[str]:
    """The same for a sweep's trials, on the same machine: problems of their data and devices.

    A line that several trials have in common names only the first of them.

    Args:
        whole: the experiment with the sweep, which `problems_of` has checked.
    """
    here = runs_here(executor)
    looked_at = [(_checked_settings(whole), [])]
    lines: dict[str, str] = {}  # without the trial -> with it
    for name, graph in trials.items():
        asked = _checked_settings(graph.experiment)
        found = next((problems for known, problems in looked_at if known == asked), None)
        if found is None:
            found = failures(experiment_checks(graph.experiment, runs_here=here))
            looked_at.append((asked, found))
        for line in found or shortages_of(graph, graph.main, executor):
            lines.setdefault(line, f"trial {name} of the sweep: {line}")
    return list(lines.values())


def _checked_settings(experiment: Experiment) -> tuple:
    """The settings that `experiment_checks` looks at."""
    return experiment.data_sections(), experiment.evaluate, experiment.runtime
