"""The graph of an experiment: which stages run, on what, and under which fingerprint."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.artifacts import artifact_directory, content_of, fault, read_stamp, record_experiment
from pipeline.code_digest import CodeDigests
from pipeline.config.experiment import ARMS, Experiment
from pipeline.config.section import Section
from pipeline.config.stages import RuntimeConfig
from pipeline.config.tables import TablesConfig
from pipeline.files import sha256_of_json

STAGES: dict[str, str] = {  # in the order in which they run
    "prepare": "Read, check and index the images",
    "initialize": "Draw the random backbone, the floor of the table",
    "pretrain": "Pretrain a backbone (seconds to days; goes on where it was stopped)",
    "features": "Compute frozen features of every image",
    "knn": "Weighted k-NN on the features",
    "linear": "Linear probe on the features",
    "logistic": "Logistic regression on the features",
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

    def node(stage: str, name: str, config: Section, inputs: dict[str, Node], work: float = 1.0) -> Node:
        return Node(stage, name, config, inputs, experiment.runtime, work)

    runs = [(arm, seed) for seed in experiment.seeds for arm in experiment.arms]
    prepare = node("prepare", "", experiment.data, {})
    backbones: dict[str, Node] = {}
    for arm, seed in sorted(runs, key=lambda run: ARMS[run[0]].pretrained):
        name = f"{arm}-seed{seed}"
        if ARMS[arm].pretrained:
            config = experiment.pretrain_config(arm, seed)
            work = _pretrain_work(experiment, ARMS[arm].auxiliary)
            backbones[name] = node("pretrain", name, config, {"data": prepare}, work)
        else:
            config = experiment.initialize_config(seed)
            backbones[name] = node("initialize", name, config, {"data": prepare})
    work = _encoder_work(experiment, experiment.features.crop_size)
    features = {
        name: node("features", name, experiment.features, {"data": prepare, "backbone": backbone}, work)
        for name, backbone in backbones.items()
    }
    probes = {
        f"{stage}/{name}": node(stage, name, getattr(experiment, stage), {"features": of})
        for stage in PROBES
        for name, of in features.items()
    }
    tables = node("tables", "", _tables_config(experiment), probes)
    return [prepare, *backbones.values(), *features.values(), *probes.values(), tables]


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


class Graph:
    """Nodes with their fingerprints and artifacts.

    A fingerprint is a digest of stage, config, code and the identities of the inputs. A node's identity is
    its fingerprint; that of `prepare` is the digest of what it made, so preparing equal data again changes
    nothing after it. Until `prepare` has run, no fingerprint after it is known.

    Args:
        nodes: each after its inputs.
        results: the results folder.
        code: digests of the stages' code.
        listing: config of `prepare` -> digest of the listing of its source.
        package: of the stage modules.
    """

    def __init__(
        self,
        nodes: list[Node],
        results: Path,
        *,
        code: CodeDigests,
        listing: Callable[[Section], str],
        package: str = "stages",
    ):
        self.nodes = nodes
        self.results = results
        self.code = code
        self.package = package
        self._listing = listing
        self._listed: dict[Node, str] = {}
        self._fingerprints: dict[Node, str] = {}

    def module(self, node: Node) -> str:
        """Module that runs the node."""
        return f"{self.package}.{node.stage}"

    def identities(self, node: Node) -> dict[str, str] | None:
        """What of the inputs enters the fingerprint; None while it is not known.

        Raises:
            OSError, ValueError: the source of `prepare` cannot be listed.
        """
        if node.stage == "prepare":
            if node not in self._listed:
                self._listed[node] = self._listing(node.config)
            return {"listing": self._listed[node]}
        found = {name: self._identity(upstream) for name, upstream in node.inputs.items()}
        return None if None in found.values() else found

    def fingerprint(self, node: Node) -> str | None:
        """Fingerprint of a node; None while `prepare` has to run first.

        Raises:
            OSError, ValueError: the source of `prepare` cannot be listed.
        """
        if node not in self._fingerprints:
            identities = self.identities(node)
            if identities is None:
                return None
            self._fingerprints[node] = sha256_of_json(
                {
                    "stage": node.stage,
                    "config": node.config.model_dump(mode="json"),
                    "code": self.code.digest(self.module(node)),
                    "inputs": identities,
                }
            )
        return self._fingerprints[node]

    def directory(self, node: Node) -> Path | None:
        """Artifact directory of a node; None while its fingerprint is not known."""
        fingerprint = self.fingerprint(node)
        return fingerprint and artifact_directory(self.results, node.stage, fingerprint)

    def lineage(self, node: Node) -> dict[str, str]:
        """Digest of what each input holds now; inputs without a stamp are left out."""
        found = {}
        for name, upstream in node.inputs.items():
            directory = self.directory(upstream)
            stamp = read_stamp(directory) if directory else None
            if stamp:
                found[name] = content_of(stamp)
        return found

    def fault(self, node: Node) -> str | None:
        """Why a node has to run; None where its artifact is current."""
        if node.stage == "prepare":
            try:
                self.identities(node)
            except (OSError, ValueError) as error:
                return str(error)
        directory = self.directory(node)
        if directory is None:
            return "waits for prepare"
        reason = fault(directory, self.fingerprint(node))
        if reason:
            return reason
        # An input that was made again may differ, e.g. on another device, though its fingerprint does not.
        read = read_stamp(directory).get("lineage", {})
        now = self.lineage(node)
        changed = [name for name in now if read.get(name) != now[name]]
        return f"{', '.join(changed)} was made again and differs" if changed else None

    def record(self, name: str, config: dict) -> None:
        """Note and link the artifacts that exist as those of the experiment `name`."""
        known: dict[str, Path] = {}
        for node in self.nodes:
            try:
                directory = self.directory(node)
            except (OSError, ValueError):
                continue  # the source cannot be listed now, so its artifact cannot be found
            if directory and directory.is_dir():
                known[node.link] = directory
        record_experiment(self.results, name, config=config, artifacts=known)

    def _identity(self, node: Node) -> str | None:
        if node.stage != "prepare":
            return self.fingerprint(node)
        if self.fault(node):
            return None
        return content_of(read_stamp(self.directory(node)))
