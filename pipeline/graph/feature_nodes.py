"""The nodes that compute the features for probes: of backbones, and pixels."""

from collections.abc import Collection

from pipeline.config.experiment import Experiment
from pipeline.config.stages import FeaturesConfig, PretrainConfig
from pipeline.config.views import ViewsConfig
from pipeline.graph.node import Backbones, Collected, Node
from pipeline.graph.node_work import encoder_work
from pipeline.storage.runs import RunKey


def feature_nodes(
    experiment: Experiment, images: Node, backbones: Backbones, features: FeaturesConfig | None = None
) -> Backbones:
    """The node that computes the features of each backbone.

    Args:
        backbones: by the runs of their features.
        features: settings; None: those of the experiment's own images.
    """
    nodes = {}
    for key, backbone in backbones.items():
        config = features_config(experiment, key.arm, features)
        inputs = {"data": images, "backbone": backbone}
        work = encoder_work(experiment, config.crop_size)
        nodes[key] = Node("features", key, config, inputs, experiment.runtime, work)
    return nodes


def features_config(
    experiment: Experiment, arm: str, features: FeaturesConfig | None = None
) -> FeaturesConfig:
    """Settings of an arm's features; a network that is not pretrained here counts as the teacher."""
    features = features or experiment.features
    if experiment.arm(arm).pretrained:
        return features
    return features.model_copy(update={"weights": "teacher"})


def pixel_nodes(
    experiment: Experiment, images: Node, features: FeaturesConfig | None = None, name: str | None = None
) -> Backbones:
    """The node that uses pixels as features; the same node for every seed.

    Args:
        features: how networks see the images; None: the experiment's own.
        name: of the evaluation, if the images are not the experiment's own.
    """
    # A single one, the experiment's own, is called `pixels`; beside others it has a longer name too.
    alone = not any(section.reads_features() for section in experiment.evaluate)
    key = RunKey(data=name or (None if alone else "images"))
    config, nodes = experiment.pixels_config(features), {}
    for arm in (arm for arm in experiment.arms if not experiment.arm(arm).network):
        node = Node("pixels", key, config, {"data": images}, experiment.runtime)
        nodes |= {RunKey(data=name, arm=arm, seed=seed): node for seed in experiment.seeds}
    return nodes


def view_nodes(
    experiment: Experiment, arms: Collection[str], backbones: Backbones, images: Node
) -> Collected:
    """The node of the views of each arm's backbone, for the first seed."""
    nodes = {}
    for key, backbone in backbones.items():
        if key.arm not in arms or key.seed != min(experiment.seeds):
            continue
        trained = backbone.config if isinstance(backbone.config, PretrainConfig) else None
        has_head = trained is not None and trained.auxiliary_head is not None
        config = ViewsConfig(
            features=features_config(experiment, key.arm), pretraining=trained if has_head else None
        )
        inputs = {"backbone": backbone, "data": images}
        work = encoder_work(experiment, experiment.features.crop_size)
        nodes["views", key] = Node("views", key, config, inputs, experiment.runtime, work)
    return nodes
