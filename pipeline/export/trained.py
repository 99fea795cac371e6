"""Where the base of an experiment's arm lies."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.experiment import Experiment
from pipeline.config.stages import FeaturesConfig
from pipeline.evaluate.feature_files import BACKBONE_FILES
from pipeline.export.error import ExportError
from pipeline.graph.nodes import Node, experiment_nodes
from pipeline.storage.artifacts import fault, read_stamp


@dataclass(frozen=True)
class TrainedBase:
    """Files of a run that has ended."""

    arm: str
    seed: int
    backbone: Path
    data: Path  # its prepared images
    view: FeaturesConfig  # how evaluation looks at an image


def trained_base(experiment: Experiment, arm: str, seed: int | None, results: Path) -> TrainedBase:
    """The base that the table's rows of an arm are about.

    Args:
        seed: None: the experiment's first.
        results: the results folder.

    Raises:
        ExportError: no such arm or seed, not run yet, not whole, or made with another configuration.
    """
    if arm not in experiment.arms:
        raise ExportError(f"arm={arm}: {experiment.name} has the arms {', '.join(experiment.arms)}")
    seed = experiment.seeds[0] if seed is None else seed
    if seed not in experiment.seeds:
        raise ExportError(f"seed={seed}: {experiment.name} has the seeds {list(experiment.seeds)}")
    features = next(
        node
        for node in experiment_nodes(experiment)
        if node.stage == "features" and (node.key.arm, node.key.seed) == (arm, seed)
    )
    folder = results / experiment.name / "artifacts"
    backbone = _whole(features.inputs["backbone"], folder)
    view = features.config
    return TrainedBase(
        arm, seed, backbone / BACKBONE_FILES[view.weights], _whole(features.inputs["data"], folder), view
    )


def _whole(node: Node, folder: Path) -> Path:
    """The artifact that the experiment has of a node, whatever code made it."""
    directory = folder / node.link
    stamp = read_stamp(directory)
    if stamp is None:
        raise ExportError(f"{directory}: not there yet, or not finished; first: doit run {node.label}")
    if reason := fault(directory, stamp.get("fingerprint")):
        raise ExportError(f"{directory}: {reason}; again: doit run {node.label}")
    if stamp.get("config") != node.config.model_dump(mode="json"):
        raise ExportError(
            f"{directory}: made before the experiment's configuration was changed; "
            f"first: doit run {node.label}"
        )
    return directory.resolve()
