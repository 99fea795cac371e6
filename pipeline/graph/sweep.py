"""The trials of an experiment's sweep: each is an experiment with its own table and report."""

import os
from functools import partial
from pathlib import Path

from pipeline.config.experiment import Experiment
from pipeline.config.sweep import Changes
from pipeline.graph.computations import Computations
from pipeline.graph.executors import Executor
from pipeline.graph.experiment_graph import ExperimentGraph, checked_experiment
from pipeline.graph.node import Node
from pipeline.graph.plan import Step, plan
from pipeline.graph.programs import run_experiment
from pipeline.storage.files import write_text
from pipeline.storage.toml_values import toml_value

TRIALS = "trials"  # name of doit's group of tasks, and of the folder of the trials' files


class Sweep:
    """The graphs of all trials, by the trial's name; empty if the experiment has no sweep.

    Trials share artifacts by content: what two of them have in common is computed once.

    Args:
        whole: the experiment with the sweep. For a search, whose trials are not known in advance, `graphs`
            has those chosen so far.
        root: folder that holds the packages `pipeline` and `stages`.
        results: the results folder.
        executor: runs the stages.

    Raises:
        ValueError: a trial is not a valid experiment; the message names it and every mistake.
    """

    def __init__(self, whole: ExperimentGraph, *, root: Path, results: Path, executor: Executor):
        self.whole, self.page, self.executor = whole, whole.folder / "sweep.html", executor
        sweep = whole.experiment.sweep
        self._root, self._results, self._code = root, results, whole.graph.code
        self.is_search = sweep is not None and sweep.is_search
        self.changes = sweep.named_changes() if sweep else {}
        self.graphs = {name: self._graph(name, changes) for name, changes in self.changes.items()}
        possible = sweep.random.covering() if self.is_search else {}
        # Checked before anything runs; for a search, trials that together have every value.
        self.checked = {name: self._graph(name, changes) for name, changes in possible.items()} or self.graphs

    @property
    def names(self) -> list[str]:
        """Names of the trials as experiments, and so of the folders with their tables and reports."""
        return [graph.folder.name for graph in self.graphs.values()]

    @property
    def labels(self) -> list[str]:
        """Names of the tasks of all trials. Those that read data come first: no error costs training."""
        labels = [
            (node.stage != "prepare", f"{TRIALS}:{name}:{node.label}")
            for name in self.checked
            for node in self.nodes_before(name)
        ]
        return [label for _, label in sorted(labels, key=lambda pair: pair[0])]

    def nodes_before(self, name: str) -> list[Node]:
        """The nodes of one of `checked` that run before the trials are compared.

        For a search these are the data that only some of its trials read: a trial runs everything else
        itself.
        """
        nodes = self.checked[name].main
        if not self.is_search:
            return nodes
        own = [node.config for node in self.whole.main if node.stage == "prepare"]
        return [node for node in nodes if node.stage == "prepare" and node.config not in own]

    def search(self, *, at_once: int, executor: str) -> list[str]:
        """Choose and run the trials of a search, see `pipeline.graph.sweep_search.search`.

        Returns:
            Names of the trials as experiments, without those that failed.
        """
        from pipeline.graph.sweep_search import search

        def run(name: str, changes: Changes) -> Path | None:
            self.changes[name] = changes
            graph = self.graphs[name] = self._graph(name, changes)
            self._write_file(name)
            done = all(graph.is_current(node.label) for node in graph.main) or run_experiment(
                "all", str(self._file(name)), root=self._root, at_once=at_once, executor=executor
            )
            table = graph.folder / "table.json"
            return table if done and table.is_file() else None

        trials = search(
            self.whole.experiment.sweep, self.whole.folder, run=run, say=partial(print, flush=True)
        )
        reached = dict.fromkeys(trial.name for trial in trials if trial.result is not None)
        return [self.graphs[name].folder.name for name in reached]

    def write_files(self) -> None:
        """Write each trial as an experiment, `results/<experiment>/trials/<name>.toml`."""
        for name in self.changes:
            self._write_file(name)

    def _write_file(self, name: str) -> None:
        path, title = self._file(name), self.graphs[name].folder.name
        write_text(path, _trial_text(self.changes[name], title, path, self.whole.argument))

    def _graph(self, name: str, changes: Changes) -> ExperimentGraph:
        return ExperimentGraph(
            str(self._file(name)),
            _trial(self.whole, name, changes),
            root=self._root,
            results=self._results,
            executor=self.executor,
            code=self._code,
        )

    def _file(self, name: str) -> Path:
        return self.whole.folder / TRIALS / f"{name}.toml"

    def plan(self, at_once: int) -> tuple[list[Step], int]:
        """The steps of all trials, and the number of stages; those that trials share are counted once."""
        steps, known, computations = [], set(), Computations()
        for name, graph in self.graphs.items():
            digests = {node.label: computations.digest(node) for node in graph.main}
            new = {label for label, digest in digests.items() if digest not in known}
            known.update(digests.values())
            for step in plan(graph.graph, graph.main, at_once=at_once):
                if step.label in new:
                    steps.append(step.of(f"{TRIALS}:{name}"))
        return steps, len(known)


def _trial(whole: ExperimentGraph, name: str, changes: Changes) -> Experiment:
    title = f"{whole.experiment.name[: 63 - len(name)]}-{name}"
    try:
        return checked_experiment(whole.argument, {**changes, "name": title, "sweep": False})
    except ValueError as error:
        raise ValueError(f"trial {name} of the sweep: {error}") from error


def _trial_text(changes: Changes, name: str, path: Path, argument: str) -> str:
    extends = os.path.relpath(argument, path.parent) if Path(argument).is_file() else argument
    lines = [
        "# A trial of `doit run sweep`; alone: doit run all experiment=<this file>",
        f"extends = {toml_value(extends)}",
        f"name = {toml_value(name)}",
        "sweep = false",
        *(f"{key} = {toml_value(value)}" for key, value in changes.items()),
    ]
    return "\n".join(lines) + "\n"
