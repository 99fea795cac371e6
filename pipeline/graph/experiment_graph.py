"""The experiment that a command names: reads it, checks which nodes are current, and runs a node."""

import fnmatch
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.config.experiment import Experiment
from pipeline.config.reading import read_experiment
from pipeline.config.section import Section
from pipeline.datasets.listing import listing_digest
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.execution import bring_up_to_date
from pipeline.graph.executors import Executor, check_stages
from pipeline.graph.fingerprints import Graph
from pipeline.graph.folder_owner import other_owner, recorded_argument
from pipeline.graph.node import STAGES, Node
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.printable import error_text
from pipeline.graph.publishing import is_published, publish
from pipeline.graph.stage_output import output_here, prefix
from pipeline.graph.study_nodes import STUDY_TABLES, study_nodes, with_studies
from pipeline.graph.subprocesses import StageFailed, run_stage
from pipeline.storage.artifacts import artifacts_root, listing_memo

# A global, because doit passes graphs to its own processes, and a lock cannot be passed.
OUTPUT = output_here()


def read_argument(value: str, folder: Path) -> tuple[str, Experiment]:
    """The experiment that `experiment=VALUE` names, and the value itself, with a path made absolute.

    Args:
        value: name of a preset, or path of a file.
        folder: folder that a relative path starts from.

    Raises:
        SystemExit: there is no such experiment, or it is invalid.
    """
    path = folder / Path(value).expanduser()
    argument = str(path) if path.is_file() else value
    try:
        return argument, checked_experiment(argument)
    except ValueError as error:
        raise SystemExit(error_text(error)) from None


def checked_experiment(argument: str, changes: Mapping[str, Any] | None = None) -> Experiment:
    """Read an experiment, and check what its sections cannot: names of formats and of stages.

    Args:
        argument, changes: as for `read_experiment`.

    Raises:
        ValueError: it is invalid.
    """
    experiment = read_experiment(argument, changes)
    _check_formats(experiment)
    check_stages(experiment.executor, [*STAGES])
    return experiment


def _check_formats(experiment: Experiment) -> None:
    stated = {key: data for key, data in experiment.data_sections().items() if data.format != "auto"}
    if stated:
        from pipeline.datasets.catalog import check_format  # loads NumPy and Pillow
        from pipeline.datasets.supported_tasks import check_supported

        for config in stated.values():
            check_format(config)
        for each in experiment.evaluate:
            check_supported(each, each.data.format)


class ExperimentGraph:
    """An experiment's graph, with its artifacts in a results folder.

    Args:
        argument: name of the experiment: a preset, or an absolute path.
        experiment: the experiment.
        root: folder of the packages `pipeline` and `stages`.
        results: the results folder.
        executor: runs the stages.
        code: digests of the stages' code; None: read here.
    """

    def __init__(
        self,
        argument: str,
        experiment: Experiment,
        *,
        root: Path,
        results: Path,
        executor: Executor = run_stage,
        code: CodeDigests | None = None,
    ):
        self.main = experiment_nodes(experiment)  # nodes of `doit run all`
        self.folder = results / experiment.name
        self.argument, self.experiment, self._root = argument, experiment, root
        self._executor = executor
        studies = study_nodes(experiment, self.main)
        code = code or CodeDigests(root, artifacts_root(results) / ".code_digests.json")
        self.graph = Graph(self.main + studies, results, code=code, listing=self._listing)
        if done := [node for node in studies if self._is_done(node)]:
            self.main = with_studies(self.main, done)
            self.graph = Graph(self.main + studies, results, code=code, listing=self._listing)
        nodes = self.graph.nodes
        self.by_label = {node.label: node for node in nodes}
        self._current_when_checked: set[str] = set()  # if they run nevertheless, `doit run -a` forces them

    def nodes_named(self, name: str) -> list[Node]:
        """The nodes that a name on doit's command line runs: a label, a group, or a pattern of them."""
        names = {node.label: (node.label, node.group) for node in self.graph.nodes}
        return [self.by_label[label] for label, of in names.items() if fnmatch.filter(of, name)]

    def is_current(self, label: str) -> bool:
        """Whether a node's artifact is current and its files for people are in the experiment's folder."""
        node = self.by_label[label]
        current = self.graph.fault(node) is None and is_published(
            node.stage, self.graph.directory(node), self.folder, self.argument, name=node.name
        )
        self.graph.code.save()
        (self._current_when_checked.add if current else self._current_when_checked.discard)(label)
        return current

    def run(self, label: str) -> str | None:
        """Run a node's stage unless its artifact is current, and copy its files for people to the results.

        Returns:
            The reason why the stage failed; None if it did not.
        """
        node, force = self.by_label[label], label in self._current_when_checked
        try:
            has_run = bring_up_to_date(
                self.graph,
                node,
                root=self._root,
                force=force,
                on_start=self.record,
                show=OUTPUT.of(label),
                margin=len(prefix(label)),
                executor=self._executor,
            )
            self.record()
            directory = self.graph.directory(node)
            files = publish(node.stage, directory, self.folder, self.argument, name=node.name)
            if has_run and node.stage == "prepare" and files:
                shown = ", ".join(os.path.relpath(file) for file in files)
                OUTPUT.line(f"look at what was prepared: {shown}")
        except (StageFailed, OSError, ValueError) as error:
            return error_text(error)
        finally:
            OUTPUT.end(label)
        return None

    def other_owner(self) -> str | None:
        """One line about another experiment that has the same folder of results; None if there is none."""
        return other_owner(self.graph.results, self.experiment.name, self.argument, self._resolved)

    def record(self) -> None:
        """Write the experiment's record of its existing artifacts, and link them in its folder.

        Raises:
            ValueError: the folder is another experiment's.
        """
        if other := self.other_owner():
            raise ValueError(other)
        argument = recorded_argument(self.graph.results, self.argument)
        self.graph.record(self.experiment.name, self._resolved, argument)

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        return self.experiment.model_dump(mode="json")

    def _is_done(self, study: Node) -> bool:
        """Whether the table of a study exists and is current."""
        made = artifacts_root(self.graph.results) / study.stage
        if study.stage not in STUDY_TABLES or not made.is_dir():
            return False
        try:
            return self.graph.fault(study) is None
        except (OSError, ValueError):  # the source cannot be listed at the moment
            return False

    def _listing(self, config: Section) -> str:
        return listing_digest(config, listing_memo(self.graph.results, config.source))
