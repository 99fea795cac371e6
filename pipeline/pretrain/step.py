"""One optimiser step of any method: loss, gradients, update, teacher, the method's own state."""

from dataclasses import dataclass, replace

import jittor as jt

from pipeline.config.stages import PretrainConfig
from pipeline.kernels.adamw import ema_update
from pipeline.models.hssl import EncodingNetwork
from pipeline.optim.optimizers import Optimizer, build_optimizer
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.methods import Memory, Networks, method_of
from pipeline.pretrain.paths import draw_paths, paths_of_part
from pipeline.pretrain.terms import Answers, PartOutcome, Terms, mean_terms


@dataclass(frozen=True)
class TrainState:
    """Everything that a step reads and changes. The networks' parameters change in place."""

    student: EncodingNetwork
    teacher: EncodingNetwork | None
    optimizer: Optimizer
    memory: Memory  # the method's own, as iBOT's centres
    step: int  # optimiser steps done

    @property
    def networks(self) -> Networks:
        """What a method trains."""
        return Networks(self.student, self.teacher)


@dataclass(frozen=True)
class StepOutcome:
    """What a step measured, still on the device."""

    terms: Terms  # of the whole batch
    answers: Answers  # of the batch's last part
    watched: dict[str, jt.Var]  # likewise


def initial_state(config: PretrainConfig) -> TrainState:
    """Networks with equal weights, an optimiser at rest, the method's own state at its start."""
    method = method_of(config)
    networks = method.networks()
    named = networks.student.named_parameters()
    optimizer = build_optimizer(named, config.schedule)
    return TrainState(networks.student, networks.teacher, optimizer, method.memory(), step=0)


def train_step(
    state: TrainState, batch: Batch, rates: Rates, config: PretrainConfig
) -> tuple[TrainState, StepOutcome]:
    """One step on a batch, computed in `accumulation_steps` equal parts.

    Every loss term is a mean over images, so the mean of the parts' gradients is the gradient of the
    whole batch (a method whose terms are not is refused by the configuration); the method's own state moves
    once, by the mean over all parts.
    """
    method = method_of(config)
    num_parts = config.schedule.accumulation_steps
    scales = draw_paths(config, batch, state.step)
    names, parameters = map(list, zip(*state.student.named_parameters(), strict=True))
    gradients, outcomes = None, []
    for index in range(num_parts):
        part, paths = batch.part(index, num_parts), paths_of_part(scales, index, num_parts)
        outcomes.append(method.part(state.networks, state.memory, part, paths, rates))
        part_gradients = jt.grad(outcomes[-1].terms.total / num_parts, parameters)
        gradients = (
            part_gradients
            if gradients is None
            else [a + b for a, b in zip(gradients, part_gradients, strict=True)]
        )
        if num_parts > 1:
            # Run what is queued now: left lazy, every part's activations would live at once.
            jt.sync(gradients)
    frozen = frozenset(index for index, name in enumerate(names) if method.frozen(name, state.student, rates))
    state.optimizer.step(gradients, lr=rates.lr, weight_decay=rates.weight_decay, frozen=frozen)
    if state.teacher is not None:
        _follow(state.teacher, dict(zip(names, parameters, strict=True)), rates.ema_momentum)
    memory = method.updated_memory(state.memory, mean_heard(outcomes))
    terms = mean_terms([outcome.terms for outcome in outcomes])
    outcome = StepOutcome(terms, outcomes[-1].answers, outcomes[-1].watched)
    return replace(state, memory=memory, step=state.step + 1), outcome


def _follow(teacher: EncodingNetwork, student: dict[str, jt.Var], momentum: float) -> None:
    """Move every parameter of the teacher towards the student's of its name."""
    names, targets = map(list, zip(*teacher.named_parameters(), strict=True))
    ema_update(targets, [student[name] for name in names], momentum)


def mean_heard(outcomes: list[PartOutcome]) -> dict[str, jt.Var]:
    """What a method's own state moves by, of the whole batch."""
    return {
        name: sum(outcome.heard[name] for outcome in outcomes) / len(outcomes) for name in outcomes[0].heard
    }
