"""What the studies of the auxiliary head consist of: `ablate`, `search` and `search-validate`.

Their trainings and probes are the very stages of an experiment. A run that the experiment has anyway, as that
of the baseline, is that run's own node.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.config.experiment import Experiment
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.studies import (
    AblateConfig,
    JointTrainingConfig,
    SearchConfig,
    SearchValidateConfig,
    in_name_order,
    shortened,
)
from pipeline.graph.nodes import Node, encoder_work, foreign_node, pretrain_work, start_inputs


def study_nodes(experiment: Experiment, known: Iterable[Node]) -> list[Node]:
    """Nodes of all studies that are none of `known`, each after its inputs."""
    pool = _Pool(known)
    if experiment.ablate is not None:
        _ablate(experiment, pool)
    _search_validate(experiment, pool, _search(experiment, pool))
    return pool.added


def needed(nodes: Iterable[Node]) -> set[Node]:
    """Nodes and all that they read, directly or not."""
    found: set[Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.inputs.values())
    return found


class _Pool:
    """Nodes by what they compute: equal runs are one node, whatever they are called."""

    def __init__(self, known: Iterable[Node]):
        self._nodes = {_key(node): node for node in known}
        self.added: list[Node] = []

    def one(self, node: Node) -> Node:
        """The node that computes what `node` does, which is `node` where there was none."""
        found = self._nodes.get(_key(node))
        if found is None:
            found = self._nodes[_key(node)] = node
            self.added.append(node)
        return found


def _key(node: Node) -> tuple:
    inputs = tuple((name, id(upstream)) for name, upstream in node.inputs.items())
    return node.stage, node.config.model_dump_json(), inputs


@dataclass(frozen=True)
class _Run:
    """A training that a study compares."""

    arm: str
    name: str  # in the table
    label: str  # in names of nodes
    head: AuxiliaryHeadConfig
    epochs: float


def _ablate(experiment: Experiment, pool: _Pool) -> None:
    section, epochs = experiment.ablate, experiment.schedule.epochs
    arm, own = experiment.studied_arm(section), experiment.auxiliary_head
    baseline, heads = experiment.gain_over(arm), {arm: own} | section.heads(own)
    runs = [_Run(baseline, baseline, baseline, own, epochs)]
    runs += [
        _Run(arm, name, arm if name == arm else f"{arm}.{name}", head, epochs) for name, head in heads.items()
    ]
    config = AblateConfig(experiment=experiment.name, arm=arm, baseline=baseline, heads=heads)
    inputs = _compared(experiment, pool, runs, section.probes)
    pool.one(Node("ablate", "", config, inputs, experiment.runtime))


def _search(experiment: Experiment, pool: _Pool) -> Node:
    section = experiment.search
    arm, heads = experiment.studied_arm(section), section.heads(experiment.auxiliary_head)
    trainings = {}
    for seed in experiment.seeds:
        first = next(iter(in_name_order(heads).values()))
        alone = _with_head(experiment, first).pretrain_config(arm, seed)
        config = JointTrainingConfig(pretrain=shortened(alone, _epochs(experiment)), candidates=heads)
        work = _joint_work(experiment, heads.values()) * _epochs(experiment) / experiment.schedule.epochs
        inputs = {"data": _images(experiment, pool)}
        node = Node("search-train", f"seed{seed}", config, inputs, experiment.runtime, work)
        trainings[f"seed{seed}"] = pool.one(node)
    config = SearchConfig(
        experiment=experiment.name,
        arm=arm,
        baseline=experiment.gain_over(arm),
        heads=heads,
        ranking=section.ranking,
    )
    return pool.one(Node("search", "", config, trainings, experiment.runtime))


def _search_validate(experiment: Experiment, pool: _Pool, search: Node) -> None:
    section = experiment.search
    arm, heads = search.config.arm, section.heads(experiment.auxiliary_head)
    epochs, baseline = section.validate_epochs or _epochs(experiment), search.config.baseline
    runs = [_Run(baseline, baseline, f"{baseline}.search", experiment.auxiliary_head, epochs)]
    runs += [_Run(arm, name, f"{arm}.search.{name}", head, epochs) for name, head in heads.items()]
    inputs = {"search": search, **_compared(experiment, pool, runs, ("knn",))}
    config = SearchValidateConfig(**dict(search.config))
    pool.one(Node("search-validate", "", config, inputs, experiment.runtime))


def _compared(
    experiment: Experiment, pool: _Pool, runs: list[_Run], probes: tuple[str, ...]
) -> dict[str, Node]:
    """What a table reads of every run at every seed: "<probe>/<name>-seed<s>", "pretrain/<name>-seed<s>"."""
    found: Mapping[str, dict[str, Node]] = {stage: {} for stage in ("pretrain", *probes)}
    for seed in experiment.seeds:
        for run in runs:
            name, key = f"{run.label}-seed{seed}", f"{run.name}-seed{seed}"
            backbone = pool.one(_backbone(experiment, pool, run, name, seed))
            if experiment.arm(run.arm).auxiliary:
                found["pretrain"][f"pretrain/{key}"] = backbone
            inputs = {"data": _images(experiment, pool), "backbone": backbone}
            work = encoder_work(experiment, experiment.features.crop_size)
            features = Node(
                "features", name, experiment.features, inputs, experiment.runtime, work, for_study=True
            )
            features = pool.one(features)
            for stage in probes:
                section, inputs = getattr(experiment, stage), {"features": features}
                probe = Node(stage, name, section, inputs, experiment.runtime, for_study=True)
                found[stage][f"{stage}/{key}"] = pool.one(probe)
    return {key: node for nodes in found.values() for key, node in nodes.items()}


def _backbone(experiment: Experiment, pool: _Pool, run: _Run, name: str, seed: int) -> Node:
    inputs = {"data": _images(experiment, pool)}
    if run.arm in experiment.weights:
        return foreign_node(experiment, run.arm)
    if not experiment.arm(run.arm).pretrained:
        config = experiment.initialize_config(seed)
        return Node("initialize", name, config, inputs, experiment.runtime, for_study=True)
    inputs |= {name: pool.one(node) for name, node in start_inputs(experiment).items()}
    changed = _with_head(experiment, run.head)
    config = changed.pretrain_config(run.arm, seed)
    work = pretrain_work(changed, experiment.arm(run.arm).auxiliary) * run.epochs / experiment.schedule.epochs
    if run.epochs != experiment.schedule.epochs:
        config = shortened(config, run.epochs)
    return Node("pretrain", name, config, inputs, experiment.runtime, work, for_study=True)


def _joint_work(experiment: Experiment, heads: Iterable[AuxiliaryHeadConfig]) -> float:
    """As `pretrain_work`, of one base with all heads."""
    base = pretrain_work(experiment, False)
    return base + sum(pretrain_work(_with_head(experiment, head), True) - base for head in heads)


def _images(experiment: Experiment, pool: _Pool) -> Node:
    return pool.one(Node("prepare", "images", experiment.data, runtime=experiment.runtime))


def _with_head(experiment: Experiment, head: AuxiliaryHeadConfig) -> Experiment:
    return experiment.model_copy(update={"auxiliary_head": head})


def _epochs(experiment: Experiment) -> float:
    return experiment.search.epochs or experiment.schedule.epochs / 10
