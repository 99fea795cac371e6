"""What an experiment consists of: which stages run, on what, and with which settings."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pipeline.config.data import DataConfig
from pipeline.config.dense import PositionConfig
from pipeline.config.experiment import POSITION, Experiment
from pipeline.config.finetune import SubsetConfig
from pipeline.config.report import ReportConfig
from pipeline.config.section import Section
from pipeline.config.stages import FeaturesConfig, PretrainConfig, RuntimeConfig
from pipeline.config.tables import TablesConfig
from pipeline.config.views import ViewsConfig
from pipeline.costs.multiplications import backbone_multiplications, head_multiplications
from pipeline.evaluate.probes.settings import PROBES
from pipeline.storage.runs import RunKey

STAGES: dict[str, str] = {  # in the order in which they run
    "prepare": "Read, check and index the images",
    "subset": "Choose shares of the training labels",
    "initialize": "Draw the random backbone, the floor of the table",
    "convert": "Convert other projects' weights",
    "pretrain": "Pretrain a backbone (seconds to days; goes on where it was stopped)",
    "curves": "Draw the course of a pretraining, and note how far base and head are apart",
    "features": "Compute frozen features of every image",
    "pixels": "Take the pixels of every image for features, the floor of k-NN",
    **{name: probe.title for name, probe in PROBES.items()},
    "finetune": "Fine-tune whole backbones for classification",
    "dense_probe": "Probe patch features: clusters, k-NN, objects found (no network is trained)",
    "position": "Segment by position alone, the floor of segmentation",
    "segment": "Train segmentation, from a frozen and from a fine-tuned backbone",
    "detect": "Train detection and instance masks likewise",
    "views": "Look at what backbone and auxiliary head see, for the report",
    "duplicates": "Find images that are there twice, above all in training and test",
    "tables": "Collect the rows into result tables",
    "report": "Put tables, curves, pictures and features into one page",
    # No part of `all`:
    "ablate": "Compare variants of the auxiliary head: discrepancy beside gain",
    "search-train": "Train all candidate heads together on one base, without labels",
    "search": "Choose an auxiliary head: rank the candidates, write the chosen one",
    "search-validate": "Train every candidate alone: does the search's ranking hold?",
}
# The probes whose protocol fits pixels. The others are made for the tokens of a network, of few channels.
_OF_PIXELS = ("knn",)
PATCH_TASKS = ("patch-linear", "patch-knn", "clusters")  # of `dense_probe`, on label maps
STUDIES = "studies"
GROUPS = STAGES | {STUDIES: "Train and probe what only `ablate` or `search-validate` compares"}

Backbones = dict[RunKey, "Node"]  # by arm and seed
Subsets = dict[RunKey, "Node"]  # of labels, by data, share below 1 and seed
Collected = dict[tuple[str, RunKey], "Node"]  # by stage and run


@dataclass(frozen=True, eq=False)
class Node:
    """One run of one stage."""

    stage: str
    key: RunKey  # identifies the run
    config: Section
    inputs: dict[str, "Node"] = field(default_factory=dict)  # argument name -> node whose artifact it reads
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)  # no part of the fingerprint
    work: float = 1.0  # expected time, in a unit that all nodes of the stage share
    for_study: bool = False  # no part of `all`, so no part of what `doit run <stage>` runs
    # Runs that a table is made from, each as the table sees it: an ablation may read an arm's own run.
    runs: Collected = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the run, such as "hssl-seed0"; empty if the stage runs once."""
        return self.key.name

    @property
    def upstream(self) -> dict[str, "Node"]:
        """All nodes whose artifacts this node reads, by name."""
        return self.inputs | {f"{stage}/{key.name}": node for (stage, key), node in self.runs.items()}

    @property
    def group(self) -> str:
        """Name of the doit task that runs this node and all others of its kind."""
        return STUDIES if self.for_study else self.stage

    @property
    def task(self) -> str:
        """Name of the node's task within its group; empty if the node is alone in it."""
        return self.link if self.for_study else self.name

    @property
    def words(self) -> str:
        """Description of the node in a list of tasks."""
        return f"{self.stage} {self.key.words}" if self.for_study else self.key.words

    @property
    def label(self) -> str:
        """Full name of the node's task: "group:task"."""
        return f"{self.group}:{self.task}" if self.task else self.group

    @property
    def link(self) -> str:
        """Name of the link to the node's artifact."""
        return f"{self.stage}-{self.name}" if self.name else self.stage


def program(stage: str) -> str:
    """Name of the file in stages/ that runs a stage; all probes share one."""
    return "probe" if stage in PROBES else stage.replace("-", "_")


def experiment_nodes(experiment: Experiment) -> list[Node]:
    """All nodes of an experiment, in the order in which they run, each after its inputs."""
    images = _prepared("images", experiment.data, experiment)
    backbones = _backbones(experiment, images)
    features = {
        key: Node(
            "features",
            key,
            features_config(experiment, key.arm),
            {"data": images, "backbone": backbone},
            experiment.runtime,
            encoder_work(experiment, experiment.features.crop_size),
        )
        for key, backbone in backbones.items()
    } | _pixels(experiment, images)
    classified = _classified(experiment, images)
    subsets = _subsets(experiment, images, classified)
    probes = _probes(experiment, features, subsets) | _classifiers(experiment, backbones, classified, subsets)
    annotated = {
        task: _prepared(task, section.data, experiment)
        for task, section in (("segmentation", experiment.segmentation), ("detection", experiment.detection))
        if section is not None
    }
    probes |= _dense_probes(experiment, backbones, annotated) | _position(experiment, annotated)
    curves = _curves(experiment, images, backbones)
    probes |= {("curves", key): node for key, node in curves.items() if node.config.auxiliary_head}
    for stage, task in (("segment", "segmentation"), ("detect", "detection")):
        if task in annotated:
            probes |= _finetunings(experiment, stage, task, backbones, annotated[task])
    prepared = list(dict.fromkeys([images, classified, *annotated.values()]))
    doubles = {("duplicates", data.key): _duplicates(experiment, data) for data in prepared}
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
    views = _views(experiment, tables.config, backbones, images)
    report = _report(experiment, tables, prepared, backbones, features, probes | doubles | views)
    nodes = [*prepared, *starts, *made, *views.values(), *doubles.values(), tables, report]
    return list(dict.fromkeys(nodes))


def features_config(experiment: Experiment, arm: str) -> FeaturesConfig:
    """Settings of an arm's features; a network that is not pretrained here counts as the teacher."""
    if experiment.arm(arm).pretrained:
        return experiment.features
    return experiment.features.model_copy(update={"weights": "teacher"})


def _prepared(purpose: str, data: DataConfig, experiment: Experiment) -> Node:
    return Node("prepare", RunKey(data=purpose), data, runtime=experiment.runtime)


def _duplicates(experiment: Experiment, data: Node) -> Node:
    return Node("duplicates", data.key, experiment.duplicates, {"data": data}, experiment.runtime)


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


def _pixels(experiment: Experiment, images: Node) -> Backbones:
    """The node that takes pixels for features; the same one for every seed."""
    arms = [arm for arm in experiment.arms if not experiment.arm(arm).network]
    config, nodes = experiment.pixels_config(), {}
    for arm in arms:
        node = Node("pixels", RunKey(), config, {"data": images}, experiment.runtime)
        nodes |= {RunKey(arm=arm, seed=seed): node for seed in experiment.seeds}
    return nodes


def foreign_node(experiment: Experiment, arm: str) -> Node:
    """The node that converts an arm's foreign weights; all seeds share it."""
    return Node("convert", RunKey(arm=arm), experiment.weights[arm], runtime=experiment.runtime)


def start_inputs(experiment: Experiment) -> dict[str, Node]:
    """The base that pretraining starts from, if it starts from another project's; else no inputs."""
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
    return _prepared("finetune", data, experiment) if data else images


def _subsets(experiment: Experiment, images: Node, classified: Node) -> Subsets:
    wanted = [(images, share) for share in experiment.label_shares]
    if experiment.finetune is not None:
        wanted += [(classified, share) for share in _finetune_shares(experiment)]
    nodes = {}
    for data, share in dict.fromkeys(wanted):
        for seed in experiment.seeds if share < 1 else ():
            key = replace(data.key, share=share, seed=seed)
            config = SubsetConfig(share=share, seed=seed)
            nodes[key] = Node("subset", key, config, {"data": data}, experiment.runtime)
    return nodes


def _probes(experiment: Experiment, features: dict[RunKey, Node], subsets: Subsets) -> Collected:
    """A node for every probe of every backbone with every share of the labels."""
    nodes = {}
    for stage, probe in PROBES.items():
        for share in experiment.label_shares if probe.of_label_shares else (1.0,):
            for backbone, of in features.items():
                if of.stage == "pixels" and stage not in _OF_PIXELS:
                    continue
                key, labels = _with_labels(backbone, of.inputs["data"], share, subsets)
                section, inputs = getattr(experiment, stage), {"features": of, **labels}
                nodes[stage, key] = Node(stage, key, section, inputs, experiment.runtime)
    return nodes


def _with_labels(
    backbone: RunKey, data: Node, share: float, subsets: Subsets
) -> tuple[RunKey, dict[str, Node]]:
    """The run that learns from a share of the labels, and its input "labels", which a share of 1 lacks."""
    if share >= 1:
        return backbone, {}
    labels = subsets[replace(data.key, share=share, seed=backbone.seed)]
    return replace(backbone, share=share), {"labels": labels}


def _classifiers(experiment: Experiment, backbones: Backbones, data: Node, subsets: Subsets) -> Collected:
    """A node to fine-tune every backbone with every share of the labels, under the backbone's seed."""
    section = experiment.finetune
    if section is None:
        return {}
    # The number of images is not known yet, so the estimate ignores the minimum number of steps.
    epoch = encoder_work(experiment, section.view.image_size)
    nodes = {}
    for share in _finetune_shares(experiment):
        for start, backbone in backbones.items():
            key, labels = _with_labels(start, data, share, subsets)
            inputs = {"backbone": backbone, "data": data, **labels}
            work = section.schedule.epochs * share * epoch
            config = section.stage_config(key.seed)
            nodes["finetune", key] = Node("finetune", key, config, inputs, experiment.runtime, work)
    return nodes


def _finetune_shares(experiment: Experiment) -> tuple[float, ...]:
    return experiment.finetune.label_shares or experiment.label_shares


def _dense_probes(experiment: Experiment, backbones: Backbones, annotated: dict[str, Node]) -> Collected:
    if experiment.dense_probe is None:
        return {}
    return {
        ("dense_probe", key): Node(
            "dense_probe",
            key,
            experiment.dense_probe,
            {"backbone": backbone, **annotated},
            experiment.runtime,
        )
        for key, backbone in backbones.items()
    }


def _position(experiment: Experiment, annotated: dict[str, Node]) -> Collected:
    """The node that segments by position alone, for every task of segmentation and every seed."""
    if "segmentation" not in annotated:
        return {}
    section = experiment.segmentation
    resamples = {f"segment-{run}": section.num_bootstrap for run in section.runs}
    if experiment.dense_probe is not None:
        resamples |= dict.fromkeys(PATCH_TASKS, experiment.dense_probe.num_bootstrap)
    config = PositionConfig(num_bootstrap=resamples)
    node = Node(POSITION, RunKey(), config, {"data": annotated["segmentation"]}, experiment.runtime)
    return {(POSITION, RunKey(arm=POSITION, seed=seed)): node for seed in experiment.seeds}


def _finetunings(
    experiment: Experiment, stage: str, task: str, backbones: Backbones, data: Node
) -> Collected:
    """A node for every run of a dense task from every backbone, under the backbone's seed."""
    section = getattr(experiment, task)
    work = float(section.schedule.num_steps * section.schedule.batch_size)
    nodes = {}
    for run in section.runs:
        for start, backbone in backbones.items():
            key, config = replace(start, run=run), section.stage_config(run, seed=start.seed)
            inputs = {"backbone": backbone, "data": data}
            nodes[stage, key] = Node(stage, key, config, inputs, experiment.runtime, work)
    return nodes


def _views(experiment: Experiment, tables: TablesConfig, backbones: Backbones, images: Node) -> Collected:
    """The node that looks at each backbone that the report shows, of the first seed."""
    nodes = {}
    for key, backbone in backbones.items():
        if key.arm not in tables.shown or key.seed != min(experiment.seeds):
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
    settings = experiment.model_dump(mode="json", exclude={"runtime", "executor"})
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
