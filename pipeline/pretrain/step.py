"""One optimiser step of any method.

    losses    = the method's losses of the student, given the teacher's output for the same batch
    student   <- optimiser(student, gradient of the total loss)
    teacher   <- m teacher + (1 - m) student        (if the method has a teacher)
    own state <- the method's update, e.g. of iBOT's centres of the teacher's logits

The losses of a method are in its file in `pipeline.pretrain.methods`; iBOT's and HSSL's are in
`pipeline.pretrain.hssl_loss`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import jittor as jt

from pipeline.config.stages import PretrainConfig
from pipeline.kernels import on_device
from pipeline.kernels.ema import ema_update
from pipeline.models.hssl import EncodingNetwork
from pipeline.optim.optimizers import Optimizer, build_optimizer
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.drop_path_masks import draw_drop_path, microbatch_drop_path
from pipeline.pretrain.methods.method import MethodInput, MethodState, Networks, method_of
from pipeline.pretrain.outputs import MethodOutput, TeacherOutput
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.ranks.whole_batch import shared_among
from pipeline.runtime.free_memory import give_back_free_memory
from pipeline.training.gradient_watch import GradientWatch
from pipeline.training.losses import Losses, mean, mean_losses
from pipeline.training.microbatches import accumulated_gradients


@dataclass(frozen=True)
class TrainState:
    """State of a training, read and changed by each step. The networks' parameters change in place."""

    student: EncodingNetwork
    teacher: EncodingNetwork | None
    optimizer: Optimizer
    method_state: MethodState  # the method's own, such as iBOT's centres
    step: int  # optimiser steps done

    @property
    def networks(self) -> Networks:
        """The networks that a method trains."""
        return Networks(self.student, self.teacher)

    @property
    def tensors(self) -> dict[str, jt.Var]:
        """The tensors of a checkpoint, without the optimiser's."""
        named = {f"student/{name}": value for name, value in self.student.named_parameters()}
        if self.teacher is not None:
            named |= {f"teacher/{name}": value for name, value in self.teacher.named_parameters()}
        return named | {f"method/{name}": value for name, value in self.method_state.items()}


@dataclass(frozen=True)
class StepOutcome:
    """Measurements of a step, still on the device."""

    losses: Losses  # of the whole batch
    teacher_output: TeacherOutput  # of this rank's last microbatch
    metrics: dict[str, jt.Var]  # likewise

    @property
    def logged_losses(self) -> dict[str, jt.Var]:
        """The loss and its terms, by their names in the log."""
        return named_losses(self.losses)


def initial_state(config: PretrainConfig) -> TrainState:
    """Student and teacher with equal weights, a new optimiser, and the method's initial state."""
    method = method_of(config)
    networks, method_state = method.networks(), method.initial_state()
    optimizer = build_optimizer(networks.student.named_parameters(), config.schedule)
    return TrainState(networks.student, networks.teacher, optimizer, method_state, step=0)


def train_step(
    state: TrainState,
    batch: Batch,
    rates: Rates,
    config: PretrainConfig,
    ranks: Ranks = SINGLE_PROCESS,
    watch: GradientWatch | None = None,
) -> tuple[TrainState, StepOutcome]:
    """Do one step on a batch, computed in `accumulation_steps` microbatches of equal size.

    Every loss term is a mean over images, so the mean of the microbatches' gradients is the gradient of the
    whole batch (the configuration refuses methods for which this is not so); the method's own state is
    updated once, with the mean over all microbatches. With several ranks `batch` is this one's share, and all
    means are over all ranks' microbatches.

    Args:
        watch: receives the gradients of this step before they are used.

    Raises:
        GradientsDiffer: they differ from those of plain operators.
    """
    # Between steps, when least is in use: 0.2 ms after one of `quickstart`, 1.4 ms after one of ViT-S/16.
    # Beside a card's step that would be much, and the memory is the card's.
    if not on_device():
        give_back_free_memory()
    method, count = method_of(config), config.schedule.accumulation_steps
    student = dict(state.student.named_parameters())
    drop_path = draw_drop_path(config, batch, state.step, ranks)

    def forward(index: int, count: int = count) -> MethodOutput:
        microbatch, masks = batch.microbatch(index, count), microbatch_drop_path(drop_path, index, count)
        with shared_among(ranks):
            return method.forward(state.networks, MethodInput(state.method_state, microbatch, masks, rates))

    outputs, gradients = accumulated_gradients(forward, count, list(student.values()))
    if watch is not None:

        def again(parts: int) -> list[jt.Var]:
            return accumulated_gradients(partial(forward, count=parts), parts, list(student.values()))[1]

        watch.compare(
            dict(zip(student, gradients, strict=True)),
            again,
            num_microbatches=count,
            num_images=None if _sees_whole_batch(config) else batch.masks.shape[1],
        )
    gradients = ranks.all_reduce_mean(gradients)

    frozen = frozenset(i for i, name in enumerate(student) if method.frozen(name, state.student, rates))
    state.optimizer.step(gradients, lr=rates.lr, weight_decay=rates.weight_decay, frozen=frozen)

    if state.teacher is not None:
        teacher = dict(state.teacher.named_parameters())
        ema_update(list(teacher.values()), [student[name] for name in teacher], rates.ema_momentum)

    batch_means = ranks.all_reduce_mean_of(mean_batch_means(outputs))
    method_state = method.updated_state(state.method_state, batch_means)
    losses = mean_losses([output.losses for output in outputs]).mean_over(ranks)
    outcome = StepOutcome(losses, outputs[-1].teacher_output, outputs[-1].metrics)
    return replace(state, method_state=method_state, step=state.step + 1), outcome


def _sees_whole_batch(config: PretrainConfig) -> bool:
    """Whether a loss or a norm depends on all images of a batch at once, so that parts would change it."""
    batch_norm = config.method.prototypes and config.projection_head.norm == "batch"
    return config.method.whole_batch or batch_norm


def mean_batch_means(outputs: Sequence[MethodOutput]) -> dict[str, jt.Var]:
    """The means over the whole batch, for the update of a method's own state."""
    names = outputs[0].batch_means
    return {name: mean([output.batch_means[name] for output in outputs]) for name in names}


def named_losses(losses: Losses) -> dict[str, jt.Var]:
    """ "loss" and "loss_<term>"."""
    return {"loss": losses.total, **{f"loss_{name}": term for name, term in losses.terms.items()}}
