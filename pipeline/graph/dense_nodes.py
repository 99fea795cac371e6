"""The nodes of the dense tasks: probes of patch features, the floor of segmentation, and fine-tuning."""

from dataclasses import replace

from pipeline.config.dense import PositionConfig
from pipeline.config.experiment import POSITION, Experiment
from pipeline.graph.node import Backbones, Collected, Node
from pipeline.storage.runs import RunKey

PATCH_TASKS = ("patch-linear", "patch-knn", "clusters")  # of `dense_probe`, on label maps


def dense_probe_nodes(experiment: Experiment, backbones: Backbones, annotated: dict[str, Node]) -> Collected:
    """A node to probe the patch features of every backbone on all annotated images."""
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


def position_nodes(experiment: Experiment, data: Node, name: str | None = None) -> Collected:
    """The node that segments by position alone, for every task of segmentation and every seed.

    Args:
        name: of the evaluation, if the images are not the experiment's own.
    """
    section = experiment.segmentation
    # A single one, the experiment's own, is called `position`; beside others it has a longer name too.
    alone = not any("segment" in each.tasks for each in experiment.evaluate)
    key = RunKey(data=name or (None if alone else "segmentation"))
    resamples = {f"segment-{run}": section.num_bootstrap for run in section.runs}
    if experiment.dense_probe is not None and name is None:
        resamples |= dict.fromkeys(PATCH_TASKS, experiment.dense_probe.num_bootstrap)
    config = PositionConfig(num_bootstrap=resamples)
    node = Node(POSITION, key, config, {"data": data}, experiment.runtime)
    return {(POSITION, RunKey(data=name, arm=POSITION, seed=seed)): node for seed in experiment.seeds}


def dense_task_nodes(
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
