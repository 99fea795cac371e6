"""The nodes of one [[evaluate]]: every arm's backbone on a further data set."""

from dataclasses import dataclass, replace

from pipeline.config.evaluate import FEW_SHOT, EvaluateSection
from pipeline.config.experiment import Experiment
from pipeline.config.linear_augmented import LINEAR_AUGMENTED
from pipeline.graph.classification_nodes import (
    classifier_nodes,
    few_shot_nodes,
    linear_augmented_nodes,
    probe_nodes,
)
from pipeline.graph.dense_nodes import dense_task_nodes, position_nodes
from pipeline.graph.feature_nodes import feature_nodes, pixel_nodes
from pipeline.graph.image_nodes import prepared_node
from pipeline.graph.node import Backbones, Collected, Node

_ALL_LABELS = (1.0,)


@dataclass(frozen=True)
class Evaluated:
    """The nodes of one further data set."""

    data: Node
    features: Backbones
    probes: Collected  # from which tables are made


def evaluation_nodes(experiment: Experiment, section: EvaluateSection, backbones: Backbones) -> Evaluated:
    """The nodes of a further data set; the key of every run has its name in `data`."""
    name, tasks = section.name, section.tasks
    data = prepared_node(name, section.prepared_data(), experiment)
    starts = {replace(key, data=name): node for key, node in backbones.items()}
    features: Backbones = {}
    if section.reads_features():
        config = section.features_of(experiment.features)
        features = feature_nodes(experiment, data, starts, config)
        features |= pixel_nodes(experiment, data, config, name)
    probes = probe_nodes(experiment, features, _ALL_LABELS, {}, tasks)
    if LINEAR_AUGMENTED in tasks:
        probes |= linear_augmented_nodes(experiment, features)
    if FEW_SHOT in tasks:
        probes |= few_shot_nodes(experiment, features)
    if "finetune" in tasks:
        probes |= classifier_nodes(experiment, starts, data, _ALL_LABELS, {})
    if "segment" in tasks:
        probes |= position_nodes(experiment, data, name)
        probes |= dense_task_nodes(experiment, "segment", "segmentation", starts, data)
    if "detect" in tasks:
        probes |= dense_task_nodes(experiment, "detect", "detection", starts, data)
    return Evaluated(data, features, probes)
