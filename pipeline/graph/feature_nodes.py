"""The nodes that compute what probes learn from: features of backbones, and pixels."""

from pipeline.config.experiment import Experiment
from pipeline.config.stages import FeaturesConfig
from pipeline.graph.node import Backbones, Node
from pipeline.graph.node_work import encoder_work
from pipeline.storage.runs import RunKey


def features_config(experiment: Experiment, arm: str) -> FeaturesConfig:
    """Settings of an arm's features; a network that is not pretrained here counts as the teacher."""
    if experiment.arm(arm).pretrained:
        return experiment.features
    return experiment.features.model_copy(update={"weights": "teacher"})


def pixel_nodes(experiment: Experiment, images: Node) -> Backbones:
    """The node that takes pixels for features; the same one for every seed."""
    arms = [arm for arm in experiment.arms if not experiment.arm(arm).network]
    config, nodes = experiment.pixels_config(), {}
    for arm in arms:
        node = Node("pixels", RunKey(), config, {"data": images}, experiment.runtime)
        nodes |= {RunKey(arm=arm, seed=seed): node for seed in experiment.seeds}
    return nodes
