"""What an experiment consists of: which stages run, on what, and with which settings."""

from dataclasses import dataclass, field

from pipeline.config.experiment import Experiment
from pipeline.config.finetune import SubsetConfig
from pipeline.config.section import Section
from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.config.tables import TablesConfig
from pipeline.costs.multiplications import backbone_multiplications, head_multiplications

STAGES: dict[str, str] = {  # in the order in which they run
    "prepare": "Read, check and index the images",
    "subset": "Choose shares of the training labels",
    "initialize": "Draw the random backbone, the floor of the table",
    "convert": "Convert other projects' weights",
    "pretrain": "Pretrain a backbone (seconds to days; goes on where it was stopped)",
    "curves": "Draw the course of a pretraining, and note how far base and head are apart",
    "features": "Compute frozen features of every image",
    "knn": "Weighted k-NN on the features",
    "linear": "Linear probe on the features",
    "logistic": "Logistic regression on the features",
    "finetune": "Fine-tune whole backbones for classification",
    "dense_probe": "Probe patch features: clusters, k-NN, objects found (no network is trained)",
    "segment": "Train segmentation, from a frozen and from a fine-tuned backbone",
    "detect": "Train detection and instance masks likewise",
    "tables": "Collect the rows into result tables",
    # No part of `all`:
    "ablate": "Compare variants of the auxiliary head: discrepancy beside gain",
    "search-train": "Train all candidate heads together on one base, without labels",
    "search": "Choose an auxiliary head: rank the candidates, write the chosen one",
    "search-validate": "Train every candidate alone: does the search's ranking hold?",
}
STUDIES = "studies"
GROUPS = STAGES | {STUDIES: "Train and probe what only `ablate` or `search-validate` compares"}
PROBES = ("knn", "linear", "logistic")
OF_LABEL_SHARES = ("knn", "logistic")  # probes that also learn from a share of the labels

# Name of the data's node, share below 1, seed -> the chosen labels.
Subsets = dict[tuple[str, float, int], "Node"]


@dataclass(frozen=True, eq=False)
class Node:
    """One run of one stage."""

    stage: str
    name: str  # e.g. "hssl-seed0"; empty where the stage runs once
    config: Section
    inputs: dict[str, "Node"] = field(default_factory=dict)  # argument name -> node whose artifact it reads
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)  # no part of the fingerprint
    work: float = 1.0  # expected time in units of the stage's own
    for_study: bool = False  # no part of `all`, so no part of what `doit run <stage>` runs

    @property
    def group(self) -> str:
        """The task that stands for this node and its like."""
        return STUDIES if self.for_study else self.stage

    @property
    def task(self) -> str:
        """Name within the group; empty where the node is alone in it."""
        return self.link if self.for_study else self.name

    @property
    def label(self) -> str:
        """Name of its task."""
        return f"{self.group}:{self.task}" if self.task else self.group

    @property
    def link(self) -> str:
        """Name of the link to its artifact."""
        return f"{self.stage}-{self.name}" if self.name else self.stage


def experiment_nodes(experiment: Experiment) -> list[Node]:
    """All nodes of an experiment, each after its inputs, in the order in which they are to run."""
    images = Node("prepare", "images", experiment.data, runtime=experiment.runtime)
    backbones = _backbones(experiment, images)
    features = {
        name: Node(
            "features",
            name,
            experiment.features,
            {"data": images, "backbone": backbone},
            experiment.runtime,
            encoder_work(experiment, experiment.features.crop_size),
        )
        for name, backbone in backbones.items()
    }
    classified = _classified(experiment, images)
    subsets = _subsets(experiment, images, classified)
    probes = _probes(experiment, features, subsets) | _classifiers(experiment, backbones, classified, subsets)
    annotated = {
        task: Node("prepare", task, section.data, runtime=experiment.runtime)
        for task, section in (("segmentation", experiment.segmentation), ("detection", experiment.detection))
        if section is not None
    }
    probes |= _dense_probes(experiment, backbones, annotated)
    curves = _curves(experiment, images, backbones)
    probes |= {f"discrepancy/{name}": node for name, node in curves.items() if node.config.auxiliary_head}
    for stage, task in (("segment", "segmentation"), ("detect", "detection")):
        if task in annotated:
            probes |= _finetunings(experiment, stage, task, backbones, annotated[task])
    tables = Node("tables", "", _tables_config(experiment), probes, experiment.runtime)
    prepared = dict.fromkeys([images, classified, *annotated.values()])
    starts = [node.inputs["start"] for node in backbones.values() if "start" in node.inputs]
    made = [*subsets.values(), *backbones.values(), *curves.values(), *features.values(), *probes.values()]
    nodes = [*prepared, *starts, *made, tables]
    return list(dict.fromkeys(nodes))


def _backbones(experiment: Experiment, images: Node) -> dict[str, Node]:
    """Name -> how that backbone comes about, random ones first."""
    runs = [(arm, seed) for seed in experiment.seeds for arm in experiment.arms]
    nodes, foreign, inputs = {}, {}, {"data": images} | start_inputs(experiment)
    for arm, seed in sorted(runs, key=lambda run: experiment.arm(run[0]).pretrained):
        if arm in experiment.weights:
            nodes[f"{arm}-seed{seed}"] = foreign.setdefault(arm, foreign_node(experiment, arm))
            continue
        if experiment.arm(arm).pretrained:
            stage, config = "pretrain", experiment.pretrain_config(arm, seed)
            work, read = pretrain_work(experiment, experiment.arm(arm).auxiliary), inputs
        else:
            stage, config, work = "initialize", experiment.initialize_config(seed), 1.0
            read = {"data": images}
        name = f"{arm}-seed{seed}"
        nodes[name] = Node(stage, name, config, read, experiment.runtime, work)
    return nodes


def foreign_node(experiment: Experiment, arm: str) -> Node:
    """The conversion of an arm's weights: one for all seeds."""
    return Node("convert", arm, experiment.weights[arm], runtime=experiment.runtime)


def start_inputs(experiment: Experiment) -> dict[str, Node]:
    """What a pretraining reads beside the images: another project's base, if it starts from one."""
    config = experiment.start_weights()
    return {} if config is None else {"start": Node("convert", "start", config, runtime=experiment.runtime)}


def _curves(experiment: Experiment, images: Node, backbones: dict[str, Node]) -> dict[str, Node]:
    """Of every pretraining what its log shows."""
    return {
        name: Node("curves", name, node.config, {"data": images, "pretraining": node}, experiment.runtime)
        for name, node in backbones.items()
        if isinstance(node.config, PretrainConfig)
    }


def _classified(experiment: Experiment, images: Node) -> Node:
    """The images that classifiers are fine-tuned on."""
    data = experiment.finetune and experiment.finetune.data
    return Node("prepare", "finetune", data, runtime=experiment.runtime) if data else images


def _subsets(experiment: Experiment, images: Node, classified: Node) -> Subsets:
    wanted = [(images, share) for share in experiment.label_shares]
    if experiment.finetune is not None:
        wanted += [(classified, share) for share in _finetune_shares(experiment)]
    return {
        (data.name, share, seed): Node(
            "subset",
            f"{data.name}-{_percent(share)}-seed{seed}",
            SubsetConfig(share=share, seed=seed),
            {"data": data},
            experiment.runtime,
        )
        for data, share in dict.fromkeys(wanted)
        if share < 1
        for seed in experiment.seeds
    }


def _probes(experiment: Experiment, features: dict[str, Node], subsets: Subsets) -> dict[str, Node]:
    """Every probe of every backbone, with each share of the labels that it learns from."""
    nodes = {}
    for stage in PROBES:
        for share in experiment.label_shares if stage in OF_LABEL_SHARES else (1.0,):
            for name, of in features.items():
                labels = subsets.get(("images", share, _seed(name)))
                inputs = {"features": of} | ({"labels": labels} if labels else {})
                run = f"{_percent(share)}-{name}" if labels else name
                key = f"{stage}-{_percent(share)}/{name}" if labels else f"{stage}/{name}"
                nodes[key] = Node(stage, run, getattr(experiment, stage), inputs, experiment.runtime)
    return nodes


def _classifiers(
    experiment: Experiment, backbones: dict[str, Node], data: Node, subsets: Subsets
) -> dict[str, Node]:
    """Every backbone fine-tuned with each share of the labels, under that backbone's seed."""
    section = experiment.finetune
    if section is None:
        return {}
    # How many images there are is not known yet; a floor of steps is left out of the estimate.
    epoch = encoder_work(experiment, section.view.image_size)
    nodes = {}
    for share in _finetune_shares(experiment):
        for name, backbone in backbones.items():
            labels = subsets.get((data.name, share, _seed(name)))
            inputs = {"backbone": backbone, "data": data} | ({"labels": labels} if labels else {})
            work = section.schedule.epochs * share * epoch
            config = section.stage_config(_seed(name))
            run = f"{_percent(share)}-{name}" if labels else name
            key = f"finetune-{_percent(share)}/{name}" if labels else f"finetune/{name}"
            nodes[key] = Node("finetune", run, config, inputs, experiment.runtime, work)
    return nodes


def _finetune_shares(experiment: Experiment) -> tuple[float, ...]:
    return experiment.finetune.label_shares or experiment.label_shares


def _percent(share: float) -> str:
    return f"{100 * share:g}pct"


def _seed(name: str) -> int:
    """Seed of the backbone "<arm>-seed<s>"."""
    return int(name.rpartition("-seed")[2])


def _dense_probes(
    experiment: Experiment, backbones: dict[str, Node], annotated: dict[str, Node]
) -> dict[str, Node]:
    if experiment.dense_probe is None:
        return {}
    return {
        f"dense_probe/{name}": Node(
            "dense_probe",
            name,
            experiment.dense_probe,
            {"backbone": backbone, **annotated},
            experiment.runtime,
        )
        for name, backbone in backbones.items()
    }


def _finetunings(
    experiment: Experiment, stage: str, task: str, backbones: dict[str, Node], data: Node
) -> dict[str, Node]:
    """Every run of a dense task from every backbone, under that backbone's seed."""
    section = getattr(experiment, task)
    work = float(section.schedule.num_steps * section.schedule.batch_size)
    nodes = {}
    for run in section.runs:
        for name, backbone in backbones.items():
            config = section.stage_config(run, seed=_seed(name))
            inputs = {"backbone": backbone, "data": data}
            node = Node(stage, f"{run}-{name}", config, inputs, experiment.runtime, work)
            nodes[f"{stage}-{run}/{name}"] = node
    return nodes


def _tables_config(experiment: Experiment) -> TablesConfig:
    arms = experiment.arms
    methods = {arm: experiment.arm(arm) for arm in arms}
    alone = {
        arm: method.alone
        for arm, method in methods.items()
        if method.alone in arms and arm != experiment.baseline
    }
    return TablesConfig(
        experiment=experiment.name,
        arms=experiment.arms,
        baseline=experiment.baseline,
        alone=alone,
        subjects=tuple(arm for arm in arms if methods[arm].auxiliary and arm != experiment.baseline),
    )


def encoder_work(experiment: Experiment, crop_size: int) -> float:
    """Multiplications of one forward pass of one image, in units of 1e6."""
    return backbone_multiplications(experiment.backbone, crop_size) / 1e6


def pretrain_work(experiment: Experiment, auxiliary: bool) -> float:
    """Multiplications of the forward passes of base and head for one image in all epochs, in units of 1e6."""
    crops, per_image = experiment.crops, 0.0
    for num, size in ((crops.num_global, crops.global_size), (crops.num_local, crops.local_size)):
        per_image += num * backbone_multiplications(experiment.backbone, size)
        if auxiliary:
            per_image += num * head_multiplications(experiment.auxiliary_head, experiment.backbone, size)
    return experiment.schedule.epochs * per_image / 1e6
