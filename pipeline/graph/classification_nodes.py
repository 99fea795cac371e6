"""The nodes of classification: probes of features, and fine-tuning."""

from pipeline.config.experiment import Experiment
from pipeline.evaluate.probes.settings import PROBES
from pipeline.graph.image_nodes import finetune_shares, with_labels
from pipeline.graph.node import Backbones, Collected, Node, Subsets
from pipeline.graph.node_work import encoder_work
from pipeline.storage.runs import RunKey

# The probes whose protocol fits pixels. The others are made for the tokens of a network, of few channels.
_OF_PIXELS = ("knn",)


def probe_nodes(experiment: Experiment, features: dict[RunKey, Node], subsets: Subsets) -> Collected:
    """A node for every probe of every backbone with every share of the labels."""
    nodes = {}
    for stage, probe in PROBES.items():
        for share in experiment.label_shares if probe.of_label_shares else (1.0,):
            for backbone, of in features.items():
                if of.stage == "pixels" and stage not in _OF_PIXELS:
                    continue
                key, labels = with_labels(backbone, of.inputs["data"], share, subsets)
                section, inputs = getattr(experiment, stage), {"features": of, **labels}
                nodes[stage, key] = Node(stage, key, section, inputs, experiment.runtime)
    return nodes


def classifier_nodes(experiment: Experiment, backbones: Backbones, data: Node, subsets: Subsets) -> Collected:
    """A node to fine-tune every backbone with every share of the labels, under the backbone's seed."""
    section = experiment.finetune
    if section is None:
        return {}
    # The number of images is not known yet, so the estimate ignores the minimum number of steps.
    epoch = encoder_work(experiment, section.view.image_size)
    nodes = {}
    for share in finetune_shares(experiment):
        for start, backbone in backbones.items():
            key, labels = with_labels(start, data, share, subsets)
            inputs = {"backbone": backbone, "data": data, **labels}
            work = section.schedule.epochs * share * epoch
            config = section.stage_config(key.seed)
            nodes["finetune", key] = Node("finetune", key, config, inputs, experiment.runtime, work)
    return nodes
