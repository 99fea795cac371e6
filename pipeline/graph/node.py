"""A node of the graph: one run of one stage; and the list of stages."""

from dataclasses import dataclass, field

from pipeline.config.evaluate import FEW_SHOT
from pipeline.config.linear_augmented import LINEAR_AUGMENTED
from pipeline.config.section import Section
from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.probes.settings import PROBES
from pipeline.storage.runs import RunKey

STAGES: dict[str, str] = {  # in the order in which they run
    "prepare": "Read, check and index the images",
    "subset": "Choose shares of the training labels",
    "initialize": "Draw the random backbone, a floor for every task",
    "convert": "Convert other projects' weights",
    "pretrain": "Pretrain a backbone (seconds to days; goes on where it was stopped)",
    "curves": "Draw the curves of a pretraining, and measure how far apart base and head are",
    "features": "Compute frozen features of every image",
    "pixels": "Use the pixels of every image as features, a floor for k-NN",
    **{name: probe.title for name, probe in PROBES.items()},
    LINEAR_AUGMENTED: "Linear probe on features of random crops, computed for every batch",
    FEW_SHOT: "k-NN and logistic regression from a few images of each class",
    "finetune": "Fine-tune whole backbones for classification",
    "dense_probe": "Probe patch features: clusters, k-NN, objects found",
    "position": "Segment by position alone, a floor for segmentation",
    "segment": "Train segmentation, from a frozen and from a fine-tuned backbone",
    "detect": "Train detection and instance masks, from a frozen and from a fine-tuned backbone",
    "views": "Look at what backbone and auxiliary head see, for the report",
    "duplicates": "Find duplicate images, above all test images that are in training too",
    "tables": "Collect all results into tables",
    "report": "Put tables, curves, pictures and features into one page",
    # No part of `all`:
    "ablate": "Compare variants of the auxiliary head: discrepancy beside gain",
    "search-train": "Train all candidate heads together on one base, without labels",
    "search": "Choose an auxiliary head: rank the candidates, write the chosen one",
    "search-validate": "Train every candidate alone: does the search's ranking hold?",
}
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
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)  # not part of the fingerprint
    work: float = 1.0  # expected time, in a unit shared by all nodes of the stage
    for_study: bool = False  # not part of `all`, so not run by `doit run <stage>` either
    # Runs in a table, each under the key that the table uses: an ablation may read an arm's own run.
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
    def description(self) -> str:
        """Description of the node in a list of tasks."""
        return f"{self.stage} {self.key.description}" if self.for_study else self.key.description

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
