"""One optimiser step of all candidates jointly.

    L = (1 / n) sum_i L_i

L_i is the loss of candidate i as when trained alone, with the base's current weights: its head's teacher
supervises base and head, with the candidate's own projection and method state (for iBOT, its own centre of
CLS logits). Base, prototypes and everything else that the method has without a head are shared and take the
mean gradient of all candidates. A candidate's own parameters take the gradient of L_i, not of L_i / n, as if
it were trained alone. The base's own patch loss is the same in every L_i and computed once.

The released code has no joint training of candidates: this one is the project's own.
"""

from dataclasses import dataclass, replace

import jittor as jt
import numpy as np

from pipeline.config.studies import JointTrainingConfig
from pipeline.kernels.ema import ema_update
from pipeline.models.hssl import EncodingNetwork
from pipeline.optim.optimizers import Optimizer, build_optimizer
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.drop_path_masks import DropPathMasks, draw_drop_path, microbatch_drop_path
from pipeline.pretrain.methods.method import Method, MethodInput, MethodState, Networks, method_of
from pipeline.pretrain.outputs import MethodOutput, TeacherOutput
from pipeline.pretrain.step import mean_batch_means, named_losses
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.ranks.whole_batch import shared_among
from pipeline.search.one_base import (
    SHARED,
    BaseForward,
    CandidateNetwork,
    candidate_networks,
    joint_parameters,
    shared_names,
)
from pipeline.training.losses import Losses, mean, mean_losses
from pipeline.training.microbatches import accumulated_gradients


@dataclass(frozen=True)
class JointState:
    """Everything that a joint step reads and changes. The networks' parameters change in place."""

    networks: dict[str, Networks]  # of each candidate, with the shared tensors in common
    shared: frozenset[str]  # names of the shared parameters
    optimizer: Optimizer  # of `students`, in their order
    method_states: dict[str, MethodState]  # of each candidate's method
    step: int  # optimiser steps done

    @property
    def students(self) -> dict[str, jt.Var]:
        """Every trained parameter once, by name."""
        return joint_parameters({name: own.student for name, own in self.networks.items()}, self.shared)

    @property
    def teachers(self) -> dict[str, jt.Var]:
        """Every teacher parameter once, under the name of the student parameter that it averages."""
        teachers = {name: own.teacher for name, own in self.networks.items() if own.teacher is not None}
        return joint_parameters(teachers, self.shared) if teachers else {}

    @property
    def tensors(self) -> dict[str, jt.Var]:
        """All tensors of a checkpoint but the optimiser's, by name."""
        named = {f"student/{name}": value for name, value in self.students.items()}
        named |= {f"teacher/{name}": value for name, value in self.teachers.items()}
        for candidate, method_state in self.method_states.items():
            named |= {f"method/{candidate}/{name}": value for name, value in method_state.items()}
        return named

    def published(self, name: str) -> EncodingNetwork:
        """The candidate's network that is evaluated: the teacher if there is one."""
        networks = self.networks[name]
        return networks.student if networks.teacher is None else networks.teacher


@dataclass(frozen=True)
class JointOutput:
    """Every candidate's output on one microbatch."""

    of_candidate: dict[str, MethodOutput]

    @property
    def total(self) -> jt.Var:
        """The mean loss over candidates, (1,)."""
        return sum(output.total for output in self.of_candidate.values()) / len(self.of_candidate)

    def detached(self) -> "JointOutput":
        """The same values, detached from the graph."""
        return JointOutput({name: output.detached() for name, output in self.of_candidate.items()})


@dataclass(frozen=True)
class JointOutcome:
    """Losses and teacher output of a step, still on the device."""

    losses: dict[str, Losses]  # L_i and its terms, of each candidate over the whole batch
    teacher_output: TeacherOutput  # of the first candidate on this rank's last microbatch

    @property
    def logged_losses(self) -> dict[str, jt.Var]:
        """ "loss", the mean over candidates, and "<candidate>/loss" and "<candidate>/loss_<term>"."""
        named = {"loss": mean([losses.total for losses in self.losses.values()])}
        for candidate, losses in self.losses.items():
            named |= {f"{candidate}/{name}": value for name, value in named_losses(losses).items()}
        return named


def joint_state(config: JointTrainingConfig) -> JointState:
    """Initial networks, optimiser and method states."""
    shared = shared_names(config.pretrain)
    networks = candidate_networks(config, shared)
    students = joint_parameters({name: own.student for name, own in networks.items()}, shared)
    optimizer = build_optimizer(list(students.items()), config.pretrain.schedule)
    method_states = {name: method_of(alone).initial_state() for name, alone in config.alone.items()}
    return JointState(networks, shared, optimizer, method_states, step=0)


def joint_step(
    state: JointState, batch: Batch, rates: Rates, config: JointTrainingConfig, ranks: Ranks = SINGLE_PROCESS
) -> tuple[JointState, JointOutcome]:
    """One step on a batch, computed in `accumulation_steps` equal microbatches.

    With several ranks `batch` is this rank's share, and all means are over all ranks' microbatches.
    """
    count, students = config.pretrain.schedule.accumulation_steps, state.students
    methods = {name: method_of(config.alone[name]) for name in config.candidates}
    drop_path = drawn_drop_path(config, batch, state.step, ranks)

    def forward(index: int) -> JointOutput:
        masks = {name: microbatch_drop_path(scales, index, count) for name, scales in drop_path.items()}
        with shared_among(ranks):
            return joint_forward(state, methods, batch.microbatch(index, count), masks, rates)

    outputs, gradients = accumulated_gradients(forward, count, list(students.values()))
    gradients = ranks.all_reduce_mean(gradients)
    # Of the mean loss for shared parameters, of its own loss for a candidate's.
    gradients = [
        gradient if name.startswith(f"{SHARED}/") else gradient * len(methods)
        for name, gradient in zip(students, gradients, strict=True)
    ]
    frozen = frozenset(i for i, name in enumerate(students) if _frozen(name, state, methods, rates))
    state.optimizer.step(gradients, lr=rates.lr, weight_decay=rates.weight_decay, frozen=frozen)
    if teachers := state.teachers:
        ema_update(list(teachers.values()), [students[name] for name in teachers], rates.ema_momentum)
    method_states, losses = {}, {}
    for name, method in methods.items():
        of_candidate = [output.of_candidate[name] for output in outputs]
        batch_means = ranks.all_reduce_mean_of(mean_batch_means(of_candidate))
        method_states[name] = method.updated_state(state.method_states[name], batch_means)
        losses[name] = mean_losses([output.losses for output in of_candidate]).mean_over(ranks)
    teacher_output = next(iter(outputs[-1].of_candidate.values())).teacher_output
    state = replace(state, method_states=method_states, step=state.step + 1)
    return state, JointOutcome(losses, teacher_output)


def joint_forward(
    state: JointState,
    methods: dict[str, Method],
    microbatch: Batch,
    drop_path: dict[str, DropPathMasks],
    rates: Rates,
) -> JointOutput:
    """Every candidate's own loss, L_i, on one microbatch."""
    first = next(iter(state.networks.values()))
    student_base = BaseForward(first.student.backbone)
    teacher_base = None if first.teacher is None else BaseForward(first.teacher.backbone)
    found: dict[str, MethodOutput] = {}
    for name, method in methods.items():
        own = state.networks[name]
        networks = Networks(
            student=CandidateNetwork(own.student, student_base),
            teacher=None if own.teacher is None else CandidateNetwork(own.teacher, teacher_base),
        )
        weights = method.shared_terms() if found else {}
        computed = method.without_shared_terms() if found else method
        inputs = MethodInput(state.method_states[name], microbatch, drop_path[name], rates)
        output = computed.forward(networks, inputs)
        found[name] = _with_terms(output, next(iter(found.values()), output), weights)
    return JointOutput(found)


def _with_terms(output: MethodOutput, first: MethodOutput, weights: dict[str, float]) -> MethodOutput:
    """The output with the weighted terms added that only the first candidate computed."""
    if not weights:
        return output
    common = {name: first.losses.terms[name] for name in weights}
    total = output.losses.total + sum(weight * common[name] for name, weight in weights.items())
    return replace(output, losses=Losses(total, output.losses.terms | common))


def drawn_drop_path(
    config: JointTrainingConfig, batch: Batch, step: int, ranks: Ranks
) -> dict[str, dict[str, np.ndarray]]:
    """Stochastic depth: of each head as when trained alone, of the base as with the deepest head."""
    drawn = {name: draw_drop_path(config.alone[name], batch, step, ranks) for name in config.candidates}
    deepest = drawn[max(config.candidates, key=lambda name: config.candidates[name].depth)]
    base = {key: value for key, value in deepest.items() if key.endswith("base")}
    return {name: scales | base for name, scales in drawn.items()}


def _frozen(key: str, state: JointState, methods: dict[str, Method], rates: Rates) -> bool:
    owner, _, name = key.partition("/")
    candidate = next(iter(methods)) if owner == SHARED else owner
    return methods[candidate].frozen(name, state.networks[candidate].student, rates)
