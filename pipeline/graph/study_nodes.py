"""The nodes of the studies of the auxiliary head: `ablate`, `search` and `search-validate`.

Their pretrainings and probes are stages like all others. A run that the experiment has anyway, such as the
baseline's, is not repeated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

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
from pipeline.graph.computations import Computations
from pipeline.graph.feature_nodes import features_config
from pipeline.graph.node import Collected, Node
from pipeline.graph.node_work import encoder_work, pretrain_work
from pipeline.graph.nodes import foreign_node, start_inputs
from pipeline.graph.walk import reachable
from pipeline.storage.runs import RunKey

STUDY_TABLES = ("ablate", "search", "search-validate")  # the stages that end a study


def study_nodes(experiment: Experiment, known: Iterable[Node]) -> list[Node]:
    """Nodes of all studies except those in `known`, each after its inputs."""
    pool = _Pool(known)
    if experiment.ablate is not None:
        _ablate(experiment, pool)
    _search_validate(experiment, pool, _search(experiment, pool))
    return pool.added


def with_studies(main: list[Node], studies: Iterable[Node]) -> list[Node]:
    """The nodes of an experiment, whose report shows some studies too.

    Args:
        studies: nodes of `STUDY_TABLES` whose artifacts are current: no report waits for a study.
    """
    shown = {(node.stage, node.key): node for node in studies}
    return [replace(node, runs=node.runs | shown) if node.stage == "report" else node for node in main]


def needed(nodes: Iterable[Node]) -> set[Node]:
    """The given nodes and all nodes upstream of them."""
    return reachable(nodes, lambda node: node.upstream.values())


class _Pool:
    """Nodes by what they compute: runs that compute the same share one node, whatever their names."""

    def __init__(self, known: Iterable[Node]):
        # Among equal nodes the first: the experiment's own images come before those of an evaluation.
        self._digest = Computations().digest
        self._nodes = {self._digest(node): node for node in reversed([*known])}
        self.added: list[Node] = []

    def one(self, node: Node) -> Node:
        """The known node that computes the same as `node`, or `node` itself, which then becomes known."""
        found = self._nodes.setdefault(self._digest(node), node)
        if found is node:
            self.added.append(node)
        return found


@dataclass(frozen=True)
class _Run:
    """A pretraining in a study's comparison, at every seed."""

    key: RunKey  # without a seed
    head: AuxiliaryHeadConfig
    epochs: float


def _ablate(experiment: Experiment, pool: _Pool) -> None:
    section, epochs = experiment.ablate, experiment.schedule.epochs
    arm, own = experiment.studied_arm(section), experiment.auxiliary_head
    baseline, heads = experiment.gain_over(arm), {arm: own} | section.heads(own)
    runs = [_Run(RunKey(arm=baseline), own, epochs)]
    runs += [
        _Run(RunKey(arm=arm, head=None if name == arm else name), head, epochs)
        for name, head in heads.items()
    ]
    config = AblateConfig(
        experiment=experiment.name, arm=arm, baseline=baseline, heads=heads, **dict(experiment.tables)
    )
    compared = _compared(experiment, pool, runs, section.probes)
    pool.one(Node("ablate", RunKey(), config, runtime=experiment.runtime, runs=compared))


def _search(experiment: Experiment, pool: _Pool) -> Node:
    section = experiment.search
    arm, heads = experiment.studied_arm(section), section.heads(experiment.auxiliary_head)
    trainings = {}
    for seed in experiment.seeds:
        first = next(iter(in_name_order(heads).values()))
        # The search has its own measures, and none of the monitor's.
        alone = _with_head(experiment, first).pretrain_config(arm, seed).model_copy(update={"monitor": None})
        config = JointTrainingConfig(pretrain=shortened(alone, _epochs(experiment)), candidates=heads)
        work = _joint_work(experiment, heads.values()) * _epochs(experiment) / experiment.schedule.epochs
        inputs = {"data": _images(experiment, pool)}
        node = Node("search-train", RunKey(seed=seed), config, inputs, experiment.runtime, work)
        trainings[node.stage, node.key] = pool.one(node)
    config = SearchConfig(
        experiment=experiment.name,
        arm=arm,
        baseline=experiment.gain_over(arm),
        heads=heads,
        ranking=section.ranking,
        **dict(experiment.tables),
    )
    return pool.one(Node("search", RunKey(), config, runtime=experiment.runtime, runs=trainings))


def _search_validate(experiment: Experiment, pool: _Pool, search: Node) -> None:
    section = experiment.search
    arm, heads = search.config.arm, section.heads(experiment.auxiliary_head)
    epochs, baseline = section.validate_epochs or _epochs(experiment), search.config.baseline
    runs = [_Run(RunKey(arm=baseline, study="search"), experiment.auxiliary_head, epochs)]
    runs += [_Run(RunKey(arm=arm, study="search", head=name), head, epochs) for name, head in heads.items()]
    compared = _compared(experiment, pool, runs, ("knn",))
    config, inputs = SearchValidateConfig(**dict(search.config)), {"search": search}
    pool.one(Node("search-validate", RunKey(), config, inputs, experiment.runtime, runs=compared))


def _compared(experiment: Experiment, pool: _Pool, runs: list[_Run], probes: tuple[str, ...]) -> Collected:
    """A table's inputs for every run at every seed: the probes, and the pretraining if it has a head."""
    found: Mapping[str, Collected] = {stage: {} for stage in ("pretrain", *probes)}
    for seed in experiment.seeds:
        for run in runs:
            key = replace(run.key, seed=seed)
            backbone = pool.one(_backbone(experiment, pool, run, key))
            if experiment.arm(key.arm).auxiliary:
                found["pretrain"]["pretrain", key] = backbone
            inputs = {"data": _images(experiment, pool), "backbone": backbone}
            work = encoder_work(experiment, experiment.features.crop_size)
            section = features_config(experiment, key.arm)
            features = Node("features", key, section, inputs, experiment.runtime, work, for_study=True)
            features = pool.one(features)
            for stage in probes:
                section, inputs = getattr(experiment, stage), {"features": features}
                probe = Node(stage, key, section, inputs, experiment.runtime, for_study=True)
                found[stage][stage, key] = pool.one(probe)
    return {key: node for nodes in found.values() for key, node in nodes.items()}


def _backbone(experiment: Experiment, pool: _Pool, run: _Run, key: RunKey) -> Node:
    inputs = {"data": _images(experiment, pool)}
    if key.arm in experiment.weights:
        return foreign_node(experiment, key.arm)
    if not experiment.arm(key.arm).pretrained:
        config = experiment.initialize_config(key.seed)
        return Node("initialize", key, config, inputs, experiment.runtime, for_study=True)
    inputs |= {name: pool.one(node) for name, node in start_inputs(experiment).items()}
    changed = _with_head(experiment, run.head)
    config = changed.pretrain_config(key.arm, key.seed)
    work = pretrain_work(changed, experiment.arm(key.arm).auxiliary) * run.epochs / experiment.schedule.epochs
    if run.epochs != experiment.schedule.epochs:
        config = shortened(config, run.epochs)
    return Node("pretrain", key, config, inputs, experiment.runtime, work, for_study=True)


def _joint_work(experiment: Experiment, heads: Iterable[AuxiliaryHeadConfig]) -> float:
    """Work of a joint training, one base with all heads, in the unit of `pretrain_work`."""
    base = pretrain_work(experiment, False)
    return base + sum(pretrain_work(_with_head(experiment, head), True) - base for head in heads)


def _images(experiment: Experiment, pool: _Pool) -> Node:
    return pool.one(Node("prepare", RunKey(data="images"), experiment.data, runtime=experiment.runtime))


def _with_head(experiment: Experiment, head: AuxiliaryHeadConfig) -> Experiment:
    return experiment.model_copy(update={"auxiliary_head": head})


def _epochs(experiment: Experiment) -> float:
    return experiment.search.epochs or experiment.schedule.epochs / 10
