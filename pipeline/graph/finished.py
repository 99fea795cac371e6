"""Finds finished artifacts of an experiment: its backbones and its fine-tuned models."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.experiment import Experiment
from pipeline.config.stages import FeaturesConfig
from pipeline.evaluate.feature_files import BACKBONE_FILES
from pipeline.graph.node import Node
from pipeline.graph.nodes import experiment_nodes
from pipeline.storage.artifacts import fault, read_stamp
from pipeline.storage.runs import RunKey


class NotMade(ValueError):
    """The requested artifact does not exist; the message names the command or the section that makes it."""


@dataclass(frozen=True)
class Arm:
    """One backbone of an experiment, with the settings of its features."""

    backbone: Path  # file
    prepared: Path  # the experiment's own images
    config: FeaturesConfig


@dataclass(frozen=True)
class FineTuned:
    """One fine-tuned model of an experiment."""

    label: str  # of the stage that trained it
    folder: Path
    prepared: Path  # the data it was trained on


@dataclass(frozen=True)
class Finished:
    """The artifacts linked in an experiment's folder, whichever version of the code made them.

    Args:
        argument: names the experiment on the command line.
        results: the results folder.
    """

    argument: str
    experiment: Experiment
    results: Path

    def seed(self, given: str | int | None) -> int:
        """The requested seed; None: the experiment's first.

        Raises:
            NotMade: the experiment has no such seed.
        """
        seeds = self.experiment.seeds
        found = [seed for seed in seeds if given is None or str(given) == str(seed)]
        if not found:
            known = ", ".join(map(str, seeds))
            raise NotMade(f"seed={given}: expected a seed of {self.experiment.name} ({known})")
        return found[0]

    def arm(self, arm: str, seed: int) -> Arm:
        """An arm's backbone.

        Raises:
            NotMade: the experiment has no such arm, or its backbone is not made yet.
        """
        self._check_arm(arm)
        node = next(
            node
            for node in experiment_nodes(self.experiment)
            if node.stage == "features" and node.key == RunKey(arm=arm, seed=seed)
        )
        folder, prepared = (self._artifact(node.inputs[name]) for name in ("backbone", "data"))
        return Arm(folder / BACKBONE_FILES[node.config.weights], prepared, node.config)

    def prepared(self) -> Path:
        """The experiment's own images.

        Raises:
            NotMade: they are not prepared yet.
        """
        nodes = experiment_nodes(self.experiment)
        return self._artifact(next(node for node in nodes if node.label == "prepare:images"))

    def fine_tuned(self, stage: str, section: str, arm: str, seed: int, run: str | None) -> FineTuned:
        """A model that `segment`, `detect` or `finetune` has trained.

        Args:
            section: of the experiment's file, which requests such models.
            run: its name; None: the last of the experiment's runs with a fine-tuned backbone, else the last
                run; for classifiers the run with the largest share of the labels.

        Raises:
            NotMade: there is no such section, arm or run, or the stage has not run, or trained nothing.
        """
        self._check_arm(arm)
        name = self.experiment.name
        if getattr(self.experiment, section) is None:
            raise NotMade(
                f"{name} has no section [{section}], so no model for this task; add it, then: "
                f"doit run {stage} experiment={self.argument}"
            )
        nodes = [
            node
            for node in experiment_nodes(self.experiment)
            if node.stage == stage and (node.key.data, node.key.arm, node.key.seed) == (None, arm, seed)
        ]
        if run is not None:
            known = [node.key.run for node in nodes if node.key.run]
            nodes = [node for node in nodes if node.key.run == run]
            if not nodes:
                raise NotMade(f"run={run}: expected one of {name}'s {section} ({', '.join(known) or 'none'})")
        node = max(nodes, key=_preference)
        folder, prepared = self._artifact(node), self._artifact(node.inputs["data"])
        reason = folder / "no_rows.txt"
        if reason.is_file():
            raise NotMade(f"{node.label} trained no model: {reason.read_text(encoding='utf-8').strip()}")
        return FineTuned(node.label, folder, prepared)

    def _check_arm(self, arm: str) -> None:
        if arm not in self.experiment.arms:
            known = ", ".join(name for name in self.experiment.arms if self.experiment.arm(name).network)
            raise NotMade(f"arm={arm}: expected an arm of {self.experiment.name} ({known})")
        if not self.experiment.arm(arm).network:
            raise NotMade(f"arm={arm}: there is no network, the pixels themselves are its features")

    def _artifact(self, node: Node) -> Path:
        directory = self.results / self.experiment.name / "artifacts" / node.link
        stamp = read_stamp(directory)
        if stamp is None:
            reason = "is not finished"
        elif problem := fault(directory, stamp.get("fingerprint")):
            reason = f"is damaged ({problem})"
        elif stamp.get("config") != node.config.model_dump(mode="json"):
            reason = "was made with another configuration"
        else:
            return directory.resolve()
        raise NotMade(
            f"{node.label} of {self.experiment.name} {reason}: "
            f"doit run {node.label} experiment={self.argument}"
        )


def _preference(node: Node) -> tuple[bool, float]:
    return "frozen" not in (node.key.run or ""), node.key.share or 1.0
