"""One optimiser step of all candidates at once.

    L = (1 / n) sum_i L_i

L_i is the loss of candidate i as in its training alone, at the base's present weights: its head's teacher
supervises base and head, with the candidate's own projection and own state (of iBOT: its own centre of CLS
logits). Base, prototypes and everything else that the method has without a head are shared, so they follow
the mean gradient of all candidates. What a candidate owns takes the gradient of L_i, not of L_i / n, as if it
were alone. A patch loss of the base with itself is the same in every L_i and computed once.

How the paper trains its candidates together is not in what was released: this is this project's own.
"""

from dataclasses import dataclass, replace

import jittor as jt
import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.kernels.adamw import ema_update
from pipeline.models.hssl import EncodingNetwork
from pipeline.optim.optimizers import Optimizer, build_optimizer
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.methods import Memory, Method, Networks, method_of
from pipeline.pretrain.paths import draw_paths, paths_of_part
from pipeline.pretrain.step import mean_heard
from pipeline.pretrain.terms import Answers, PartOutcome, Terms, mean_terms
from pipeline.search.one_base import (
    SHARED,
    BaseForward,
    OfCandidate,
    candidate_networks,
    joint_parameters,
    shared_names,
)

_PATCH = "base_patch"  # the term that all candidates have in common


@dataclass(frozen=True)
class JointState:
    """Everything that a joint step reads and changes. The networks' parameters change in place."""

    networks: dict[str, Networks]  # of each candidate; what is shared is one set of tensors
    shared: frozenset[str]  # names of what is shared
    optimizer: Optimizer  # of `students`, in their order
    memories: dict[str, Memory]  # of each candidate's method
    step: int  # optimiser steps done

    @property
    def students(self) -> dict[str, jt.Var]:
        """Every trained tensor once, by name."""
        return joint_parameters({name: own.student for name, own in self.networks.items()}, self.shared)

    @property
    def teachers(self) -> dict[str, jt.Var]:
        """Every tensor of the moving average once, by the name of the one that it follows."""
        teachers = {name: own.teacher for name, own in self.networks.items() if own.teacher is not None}
        return joint_parameters(teachers, self.shared) if teachers else {}

    def published(self, name: str) -> EncodingNetwork:
        """The candidate's network that is measured: the teacher, where there is one."""
        networks = self.networks[name]
        return networks.student if networks.teacher is None else networks.teacher


@dataclass(frozen=True)
class JointOutcome:
    """What a step measured, still on the device."""

    terms: dict[str, Terms]  # of each candidate, L_i and its parts, over the whole batch
    answers: Answers  # of the first candidate on the batch's last part


def joint_state(config: JointTrainingConfig) -> JointState:
    """Networks with first values, an optimiser at rest, every method's own state at its start."""
    shared = shared_names(config.pretrain)
    networks = candidate_networks(config, shared)
    students = joint_parameters({name: own.student for name, own in networks.items()}, shared)
    optimizer = build_optimizer(list(students.items()), config.pretrain.schedule)
    memories = {name: method.memory() for name, method in _methods(config).items()}
    return JointState(networks, shared, optimizer, memories, step=0)


def joint_step(
    state: JointState, batch: Batch, rates: Rates, config: JointTrainingConfig
) -> tuple[JointState, JointOutcome]:
    """One step on a batch, computed in `accumulation_steps` equal parts."""
    methods, num_parts = _methods(config), config.pretrain.schedule.accumulation_steps
    scales = _drawn_paths(config, batch, state.step)
    students = state.students
    total, outcomes = None, []
    for index in range(num_parts):
        outcomes.append(_part(state, methods, batch.part(index, num_parts), scales, index, rates, config))
        gradients = _gradients(outcomes[-1], students, config, num_parts)
        total = gradients if total is None else [a + b for a, b in zip(total, gradients, strict=True)]
        if num_parts > 1:
            # Run what is queued now: left lazy, every part's activations would live at once.
            jt.sync(total)
    frozen = frozenset(index for index, key in enumerate(students) if _frozen(key, state, methods, rates))
    state.optimizer.step(total, lr=rates.lr, weight_decay=rates.weight_decay, frozen=frozen)
    teachers = state.teachers
    if teachers:
        ema_update(list(teachers.values()), [students[key] for key in teachers], rates.ema_momentum)
    memories, terms = {}, {}
    for name, method in methods.items():
        of_candidate = [outcome[name] for outcome in outcomes]
        memories[name] = method.updated_memory(state.memories[name], mean_heard(of_candidate))
        terms[name] = mean_terms([outcome.terms for outcome in of_candidate])
    answers = next(iter(outcomes[-1].values())).answers
    return replace(state, memories=memories, step=state.step + 1), JointOutcome(terms, answers)


def _methods(config: JointTrainingConfig) -> dict[str, Method]:
    """Of each candidate; all but the first leave the common patch loss to the first."""
    first, *others = config.candidates
    found = {first: method_of(config.alone[first])}
    for name in others:
        alone = config.alone[name]
        if _has_patch_loss(alone):
            objective = alone.objective.model_copy(update={"patch_weight": 0.0})
            alone = alone.model_copy(update={"objective": objective})
        found[name] = method_of(alone)
    return found


def _has_patch_loss(config: PretrainConfig) -> bool:
    return config.method.name == "ibot" and config.objective.patch_weight > 0


def _part(
    state: JointState,
    methods: dict[str, Method],
    part: Batch,
    scales: dict[str, dict[str, np.ndarray]],
    index: int,
    rates: Rates,
    config: JointTrainingConfig,
) -> dict[str, PartOutcome]:
    """Every candidate's own loss, L_i, on one part of the batch."""
    first = next(iter(state.networks.values()))
    student_base = BaseForward(first.student.backbone)
    teacher_base = None if first.teacher is None else BaseForward(first.teacher.backbone)
    num_parts = config.pretrain.schedule.accumulation_steps
    found: dict[str, PartOutcome] = {}
    for name, method in methods.items():
        own = state.networks[name]
        networks = Networks(
            student=OfCandidate(own.student, student_base),
            teacher=None if own.teacher is None else OfCandidate(own.teacher, teacher_base),
        )
        paths = paths_of_part(scales[name], index, num_parts)
        outcome = method.part(networks, state.memories[name], part, paths, rates)
        found[name] = _with_common_terms(outcome, found, config.pretrain)
    return found


def _with_common_terms(
    outcome: PartOutcome, before: dict[str, PartOutcome], config: PretrainConfig
) -> PartOutcome:
    """The outcome with the patch loss that the first candidate computed for all."""
    if not before or not _has_patch_loss(config):
        return outcome
    patch = next(iter(before.values())).terms.parts[_PATCH]
    total = outcome.terms.total + config.objective.patch_weight * patch
    return replace(outcome, terms=Terms(total, outcome.terms.parts | {_PATCH: patch}))


def _gradients(
    outcomes: dict[str, PartOutcome], students: dict[str, jt.Var], config: JointTrainingConfig, num_parts: int
) -> list[jt.Var]:
    """Of the mean loss for what is shared, of its own loss for what a candidate owns."""
    count = len(config.candidates)
    mean = sum(outcome.terms.total for outcome in outcomes.values()) / (count * num_parts)
    gradients = jt.grad(mean, list(students.values()))
    return [
        gradient if key.startswith(f"{SHARED}/") else gradient * count
        for key, gradient in zip(students, gradients, strict=True)
    ]


def _drawn_paths(config: JointTrainingConfig, batch: Batch, step: int) -> dict[str, dict[str, np.ndarray]]:
    """Stochastic depth: of each head as in its training alone, of the base as with the deepest head."""
    drawn = {name: draw_paths(config.alone[name], batch, step) for name in config.candidates}
    deepest = drawn[max(config.candidates, key=lambda name: config.candidates[name].depth)]
    base = {key: value for key, value in deepest.items() if key.endswith("base")}
    return {name: scales | base for name, scales in drawn.items()}


def _frozen(key: str, state: JointState, methods: dict[str, Method], rates: Rates) -> bool:
    owner, _, name = key.partition("/")
    candidate = next(iter(methods)) if owner == SHARED else owner
    return methods[candidate].frozen(name, state.networks[candidate].student, rates)
