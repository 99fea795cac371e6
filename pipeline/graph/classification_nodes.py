"""The nodes of classification: probes of features, and fine-tuning."""

from collections.abc import Collection

from pipeline.config.evaluate import FEW_SHOT
from pipeline.config.experiment import Experiment
from pipeline.config.linear_augmented import LINEAR_AUGMENTED, LinearAugmentedConfig
from pipeline.evaluate.probes.settings import PROBES
from pipeline.graph.image_nodes import with_labels
from pipeline.graph.node import Backbones, Collected, Node, Subsets
from pipeline.graph.node_work import encoder_work

# The probes whose protocol suits pixels. The others are made for a network's tokens, with fewer channels.
_OF_PIXELS = ("knn",)
Shares = tuple[float, ...]  # of the labels


def probe_nodes(
    experiment: Experiment,
    features: Backbones,
    shares: Shares,
    subsets: Subsets,
    stages: Collection[str] = tuple(PROBES),
) -> Collected:
    """A node for each of these probes, backbones and shares of the labels."""
    nodes = {}
    for stage in (stage for stage in PROBES if stage in stages):
        for share in shares if PROBES[stage].of_label_shares else (1.0,):
            for backbone, of in features.items():
                if of.stage == "pixels" and stage not in _OF_PIXELS:
                    continue
                key, labels = with_labels(backbone, of.inputs["data"], share, subsets)
                section, inputs = getattr(experiment, stage), {"features": of, **labels}
                nodes[stage, key] = Node(stage, key, section, inputs, experiment.runtime)
    return nodes


def linear_augmented_nodes(experiment: Experiment, features: Backbones) -> Collected:
    """A node to train the linear probe on random crops, for every backbone that is a network."""
    section, nodes = experiment.linear_augmented, {}
    for key, of in features.items() if section is not None else ():
        if of.stage == "pixels":
            continue
        config = LinearAugmentedConfig(views=section, linear=experiment.linear, features=of.config)
        inputs = {"features": of, "backbone": of.inputs["backbone"], "data": of.inputs["data"]}
        work = encoder_work(experiment, of.config.crop_size)
        nodes[LINEAR_AUGMENTED, key] = Node(LINEAR_AUGMENTED, key, config, inputs, experiment.runtime, work)
    return nodes


def few_shot_nodes(experiment: Experiment, features: Backbones) -> Collected:
    """A node for few-shot classification, for every backbone."""
    nodes = {}
    for key, of in features.items():
        config = experiment.few_shot
        if of.stage == "pixels":
            fitting = tuple(method for method in config.methods if method in _OF_PIXELS)
            config = config.model_copy(update={"methods": fitting})
        if config.methods:
            nodes[FEW_SHOT, key] = Node(FEW_SHOT, key, config, {"features": of}, experiment.runtime)
    return nodes


def classifier_nodes(
    experiment: Experiment, backbones: Backbones, data: Node, shares: Shares, subsets: Subsets
) -> Collected:
    """A node to fine-tune every backbone with every share of the labels, under the backbone's seed."""
    section = experiment.finetune
    # The number of images is not known yet, so the estimate ignores the minimum number of steps.
    epoch = encoder_work(experiment, section.view.image_size)
    nodes = {}
    for share in shares:
        for start, backbone in backbones.items():
            key, labels = with_labels(start, data, share, subsets)
            inputs = {"backbone": backbone, "data": data, **labels}
            work = section.schedule.epochs * share * epoch
            config = section.stage_config(key.seed)
            nodes["finetune", key] = Node("finetune", key, config, inputs, experiment.runtime, work)
    return nodes
