"""The nodes that prepare images, search for duplicates, and choose subsets of the labels."""

from dataclasses import replace

from pipeline.config.data import DataConfig
from pipeline.config.experiment import Experiment
from pipeline.config.finetune import SubsetConfig
from pipeline.graph.node import Node, Subsets
from pipeline.storage.runs import RunKey


def prepared_node(purpose: str, data: DataConfig, experiment: Experiment) -> Node:
    """The node that prepares a data set; `purpose` names the use of its images."""
    return Node("prepare", RunKey(data=purpose), data, runtime=experiment.runtime)


def duplicates_node(experiment: Experiment, data: Node) -> Node:
    """The node that searches a prepared data set for duplicate images."""
    return Node("duplicates", data.key, experiment.duplicates, {"data": data}, experiment.runtime)


def subset_nodes(experiment: Experiment, images: Node, classified: Node) -> Subsets:
    """A node for each share of the labels below 1, data set with labels, and seed."""
    wanted = [(images, share) for share in experiment.label_shares]
    if experiment.finetune is not None:
        wanted += [(classified, share) for share in finetune_shares(experiment)]
    nodes = {}
    for data, share in dict.fromkeys(wanted):
        for seed in experiment.seeds if share < 1 else ():
            key = replace(data.key, share=share, seed=seed)
            config = SubsetConfig(share=share, seed=seed)
            nodes[key] = Node("subset", key, config, {"data": data}, experiment.runtime)
    return nodes


def with_labels(
    backbone: RunKey, data: Node, share: float, subsets: Subsets
) -> tuple[RunKey, dict[str, Node]]:
    """The run with a share of the labels, and its input "labels", which a share of 1 does not have."""
    if share >= 1:
        return backbone, {}
    labels = subsets[replace(data.key, share=share, seed=backbone.seed)]
    return replace(backbone, share=share), {"labels": labels}


def finetune_shares(experiment: Experiment) -> tuple[float, ...]:
    """Shares of the labels for fine-tuning."""
    return experiment.finetune.label_shares or experiment.label_shares
