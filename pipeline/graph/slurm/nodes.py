"""How many nodes a stage's job has: several only if the stage runs on ranks, as many on each."""

from collections.abc import Iterable

from pipeline.config.executors import SlurmConfig, SlurmResources
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.slurm.submission import resources_of
from pipeline.graph.stages_on_ranks import num_ranks


def num_nodes(resources: SlurmResources, ranks: int) -> int:
    """Nodes of the job of a stage with so many ranks."""
    return (resources.nodes or 1) if ranks > 1 else 1


def check_nodes(config: SlurmConfig, runtime: RuntimeConfig, stages: Iterable[str]) -> None:
    """Check that every stage's ranks fit on the nodes that its jobs will have.

    Args:
        stages: names of all stages of the graph.

    Raises:
        ValueError: they do not; the message names the key, what it needs, and what was found.
    """
    if (config.nodes or 1) > 1 and runtime.devices == 1:
        raise ValueError(_one_process("executor.slurm", config.nodes, "runtime.devices is 1"))
    for stage in stages:
        own = config.stages.get(stage, SlurmResources())
        ranks = num_ranks(stage, runtime.model_dump())
        section = f"executor.slurm.stages.{stage}" if own.nodes or own.gpus else "executor.slurm"
        if ranks == 1 and (own.nodes or 1) > 1:
            reason = "runtime.devices is 1" if runtime.devices == 1 else f"{stage} does not run on ranks"
            raise ValueError(_one_process(section, own.nodes, reason))
        if ranks > 1:
            _check_ranks(section, resources_of(config, stage), ranks, runtime)


def _one_process(section: str, nodes: int, reason: str) -> str:
    return f"{section}.nodes {nodes}: expected 1 for a stage in one process ({reason})"


def _check_ranks(section: str, resources: SlurmResources, ranks: int, runtime: RuntimeConfig) -> None:
    nodes = num_nodes(resources, ranks)
    if nodes > 1 and runtime.hosts:
        raise ValueError(f"{section}.nodes {nodes}: runtime.hosts names hosts too; leave one of the two out")
    if ranks % nodes:
        raise ValueError(
            f"{section}.nodes {nodes}: expected as many ranks on each node, found runtime.devices {ranks}"
        )
    on_each = ranks // nodes
    if resources.gpus and runtime.device != "cpu" and on_each > resources.gpus:
        raise ValueError(
            f"{section}.gpus {resources.gpus}: expected a GPU for each rank of a node, found {on_each} "
            f'ranks (runtime.devices {ranks}); needs gpus = {on_each}, or runtime.device = "cpu"'
        )
