"""The nodes of an experiment: which stages run, on what, and with which settings."""

import json
from collections.abc import Iterable

from pipeline.config.experiment import POSITION, Experiment
from pipeline.config.report import ReportConfig
from pipeline.config.stages import PretrainConfig
from pipeline.config.tables import TablesConfig
from pipeline.graph.classification_nodes import classifier_nodes, linear_augmented_nodes, probe_nodes
from pipeline.graph.dense_nodes import dense_probe_nodes, dense_task_nodes, position_nodes
from pipeline.graph.evaluation_nodes import evaluation_nodes
from pipeline.graph.feature_nodes import feature_nodes, pixel_nodes, view_nodes
from pipeline.graph.image_nodes import duplicates_node, finetune_shares, prepared_node, subset_nodes
from pipeline.graph.node import Backbones, Collected, Node
from pipeline.graph.node_work import pretrain_work
from pipeline.storage.runs import RunKey


def experiment_nodes(experiment: Experiment) -> list[Node]:
    """All nodes of an experiment, in the order in which they run, each after its inputs."""
    images = prepared_node("images", experiment.data, experiment)
    backbones = _backbones(experiment, images)
    features = feature_nodes(experiment, images, backbones) | pixel_nodes(experiment, images)
    classified = _classified(experiment, images)
    subsets = subset_nodes(experiment, images, classified)
    probes = probe_nodes(experiment, features, experiment.label_shares, subsets)
    probes |= linear_augmented_nodes(experiment, features)
    if experiment.finetune is not None:
        shares = finetune_shares(experiment)
        probes |= classifier_nodes(experiment, backbones, classified, shares, subsets)
    annotated = {
        task: prepared_node(task, section.data, experiment)
        for task, section in (("segmentation", experiment.segmentation), ("detection", experiment.detection))
        if section is not None
    }
    probes |= dense_probe_nodes(experiment, backbones, annotated)
    if "segmentation" in annotated:
        probes |= position_nodes(experiment, annotated["segmentation"])
    curves = _curves(experiment, images, backbones)
    probes |= {("curves", key): node for key, node in curves.items() if node.config.auxiliary_head}
    for stage, task in (("segment", "segmentation"), ("detect", "detection")):
        if task in annotated:
            probes |= dense_task_nodes(experiment, stage, task, backbones, annotated[task])
    evaluated = [evaluation_nodes(experiment, section, backbones) for section in experiment.evaluate]
    for each in evaluated:
        features, probes = features | each.features, probes | each.probes
    further = [each.data for each in evaluated]
    prepared = list(dict.fromkeys([images, classified, *annotated.values(), *further]))
    doubles = {("duplicates", data.key): duplicates_node(experiment, data) for data in prepared}
    trained = {(node.stage, key): node for key, node in backbones.items() if node.stage == "pretrain"}
    tables = Node(
        "tables",
        RunKey(),
        _tables_config(experiment),
        runtime=experiment.runtime,
        runs=trained | probes | doubles,
    )
    starts = [node.inputs["start"] for node in backbones.values() if "start" in node.inputs]
    made = [*subsets.values(), *backbones.values(), *curves.values(), *features.values(), *probes.values()]
    views = view_nodes(experiment, tables.config.shown, backbones, images)
    report = _report(experiment, tables, prepared, backbones, features, probes | doubles | views)
    nodes = [*prepared, *starts, *made, *views.values(), *doubles.values(), tables, report]
    return list(dict.fromkeys(nodes))


def _backbones(experiment: Experiment, images: Node) -> Backbones:
    """The node that makes each backbone; those that are not pretrained here come first."""
    arms = [arm for arm in experiment.arms if experiment.arm(arm).network]
    runs = [RunKey(arm=arm, seed=seed) for seed in experiment.seeds for arm in arms]
    nodes, foreign, inputs = {}, {}, {"data": images} | start_inputs(experiment)
    for key in sorted(runs, key=lambda run: experiment.arm(run.arm).pretrained):
        if key.arm in experiment.weights:
            nodes[key] = foreign.setdefault(key.arm, foreign_node(experiment, key.arm))
            continue
        if experiment.arm(key.arm).pretrained:
            stage, config = "pretrain", experiment.pretrain_config(key.arm, key.seed)
            work, read = pretrain_work(experiment, experiment.arm(key.arm).auxiliary), inputs
        else:
            stage, config, work = "initialize", experiment.initialize_config(key.seed), 1.0
            read = {"data": images}
        nodes[key] = Node(stage, key, config, read, experiment.runtime, work)
    return nodes


def foreign_node(experiment: Experiment, arm: str) -> Node:
    """The node that converts an arm's foreign weights; all seeds share it."""
    return Node("convert", RunKey(arm=arm), experiment.weights[arm], runtime=experiment.runtime)


def start_inputs(experiment: Experiment) -> dict[str, Node]:
    """The node that converts the base from which pretraining starts; empty if it starts from none."""
    config = experiment.start_weights()
    if config is None:
        return {}
    return {"start": Node("convert", RunKey(arm="start"), config, runtime=experiment.runtime)}


def _curves(experiment: Experiment, images: Node, backbones: Backbones) -> dict[RunKey, Node]:
    """The node that draws the curves of each pretraining."""
    return {
        key: Node("curves", key, node.config, {"data": images, "pretraining": node}, experiment.runtime)
        for key, node in backbones.items()
        if isinstance(node.config, PretrainConfig)
    }


def _classified(experiment: Experiment, images: Node) -> Node:
    """The node of the images on which classifiers are fine-tuned."""
    data = experiment.finetune and experiment.finetune.data
    return prepared_node("finetune", data, experiment) if data else images


def _report(
    experiment: Experiment,
    tables: Node,
    prepared: Iterable[Node],
    backbones: Backbones,
    features: Backbones,
    probes: Collected,
) -> Node:
    """The node that writes the experiment's report page."""
    runs: Collected = {(node.stage, node.key): node for node in prepared}
    runs |= {(node.stage, key): node for of in (backbones, features) for key, node in of.items()}
    hidden = {"runtime", "executor", "sweep", "anchors"} | (
        set() if experiment.evaluate else {"evaluate", "few_shot"}
    )
    hidden |= set() if experiment.linear_augmented else {"linear_augmented"}
    settings = experiment.model_dump(mode="json", exclude=hidden)
    config = ReportConfig(tables=tables.config, settings=json.dumps(settings, indent=1))
    return Node("report", RunKey(), config, {"tables": tables}, experiment.runtime, runs=runs | probes)


def _tables_config(experiment: Experiment) -> TablesConfig:
    arms = experiment.arms
    methods = {arm: experiment.arm(arm) for arm in arms}
    floors = [arm for arm in arms if not methods[arm].pretrained and arm not in experiment.weights]
    position = (POSITION,) if experiment.segmentation is not None else ()
    alone = {
        arm: method.alone
        for arm, method in methods.items()
        if method.alone in arms and arm != experiment.baseline
    }
    return TablesConfig(
        experiment=experiment.name,
        arms=(*arms, *position),
        baseline=experiment.baseline,
        alone=alone,
        floors=(*floors, *position),
        subjects=tuple(arm for arm in arms if methods[arm].auxiliary and arm != experiment.baseline),
        **dict(experiment.tables),
    )
