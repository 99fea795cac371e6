"""What an experiment consists of: which stages run, on what, and with which settings."""

from dataclasses import dataclass, field

from pipeline.config.experiment import ARMS, Experiment
from pipeline.config.section import Section
from pipeline.config.stages import RuntimeConfig
from pipeline.config.tables import TablesConfig

STAGES: dict[str, str] = {  # in the order in which they run
    "prepare": "Read, check and index the images",
    "initialize": "Draw the random backbone, the floor of the table",
    "pretrain": "Pretrain a backbone (seconds to days; goes on where it was stopped)",
    "features": "Compute frozen features of every image",
    "knn": "Weighted k-NN on the features",
    "linear": "Linear probe on the features",
    "logistic": "Logistic regression on the features",
    "dense_probe": "Probe patch features: clusters, k-NN, objects found (no network is trained)",
    "segment": "Train segmentation, from a frozen and from a fine-tuned backbone",
    "detect": "Train detection and instance masks likewise",
    "tables": "Collect the rows into result tables",
}
PROBES = ("knn", "linear", "logistic")


@dataclass(frozen=True, eq=False)
class Node:
    """One run of one stage."""

    stage: str
    name: str  # e.g. "hssl-seed0"; empty where the stage runs once
    config: Section
    inputs: dict[str, "Node"] = field(default_factory=dict)  # argument name -> node whose artifact it reads
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)  # no part of the fingerprint
    work: float = 1.0  # expected time in units of the stage's own

    @property
    def label(self) -> str:
        """Name of its task."""
        return f"{self.stage}:{self.name}" if self.name else self.stage

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
            _encoder_work(experiment, experiment.features.crop_size),
        )
        for name, backbone in backbones.items()
    }
    probes = {
        f"{stage}/{name}": Node(stage, name, getattr(experiment, stage), {"features": of}, experiment.runtime)
        for stage in PROBES
        for name, of in features.items()
    }
    annotated = {
        task: Node("prepare", task, section.data, runtime=experiment.runtime)
        for task, section in (("segmentation", experiment.segmentation), ("detection", experiment.detection))
        if section is not None
    }
    probes |= _dense_probes(experiment, backbones, annotated)
    for stage, task in (("segment", "segmentation"), ("detect", "detection")):
        if task in annotated:
            probes |= _finetunings(experiment, stage, task, backbones, annotated[task])
    tables = Node("tables", "", _tables_config(experiment), probes, experiment.runtime)
    return [images, *annotated.values(), *backbones.values(), *features.values(), *probes.values(), tables]


def _backbones(experiment: Experiment, images: Node) -> dict[str, Node]:
    """Name -> how that backbone comes about, random ones first."""
    runs = [(arm, seed) for seed in experiment.seeds for arm in experiment.arms]
    nodes = {}
    for arm, seed in sorted(runs, key=lambda run: ARMS[run[0]].pretrained):
        if ARMS[arm].pretrained:
            stage, config = "pretrain", experiment.pretrain_config(arm, seed)
            work = _pretrain_work(experiment, ARMS[arm].auxiliary)
        else:
            stage, config, work = "initialize", experiment.initialize_config(seed), 1.0
        name = f"{arm}-seed{seed}"
        nodes[name] = Node(stage, name, config, {"data": images}, experiment.runtime, work)
    return nodes


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
            config = section.stage_config(run, seed=int(name.rpartition("-seed")[2]))
            inputs = {"backbone": backbone, "data": data}
            node = Node(stage, f"{run}-{name}", config, inputs, experiment.runtime, work)
            nodes[f"{stage}-{run}/{name}"] = node
    return nodes


def _tables_config(experiment: Experiment) -> TablesConfig:
    subjects = [arm for arm in experiment.arms if ARMS[arm].auxiliary and arm != experiment.baseline]
    return TablesConfig(
        experiment=experiment.name,
        arms=experiment.arms,
        baseline=experiment.baseline,
        subject=subjects[0] if subjects else None,
    )


def _encoder_work(experiment: Experiment, crop_size: int) -> float:
    """Multiplications of one forward pass of one image, in units of 1e6."""
    backbone = experiment.backbone
    tokens = (crop_size // backbone.patch_size) ** 2 + 1
    width = backbone.embed_dim
    return backbone.depth * (12 * tokens * width**2 + 2 * tokens**2 * width) / 1e6


def _pretrain_work(experiment: Experiment, auxiliary: bool) -> float:
    crops = experiment.crops
    per_image = crops.num_global * _encoder_work(experiment, crops.global_size)
    per_image += crops.num_local * _encoder_work(experiment, crops.local_size)
    depth = experiment.backbone.depth
    share = 1 + experiment.auxiliary_head.depth / depth if auxiliary else 1
    return experiment.schedule.epochs * per_image * share
