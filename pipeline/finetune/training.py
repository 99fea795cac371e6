"""Fine-tunes a backbone with a new head."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.config.dense import FinetuneSchedule
from pipeline.config.stages import RuntimeConfig
from pipeline.finetune.non_finite import explanation
from pipeline.finetune.rates import decayed, layer_scales, learning_rate
from pipeline.kernels.adamw import AdamW
from pipeline.models.drop_path import drop_path_rates, drop_path_scales
from pipeline.models.weights import assign_parameters
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.ranks.whole_batch import shared_among
from pipeline.training.loop import Training, train
from pipeline.training.losses import Losses, mean_losses
from pipeline.training.microbatches import accumulated_gradients
from pipeline.training.progress import Progress
from pipeline.training.random_generators import Purpose, generator


class FinetuneBatch(Protocol):
    """The part of a batch that the loop reads; the losses read the rest."""

    names: Sequence[str]  # of the images, for messages
    images: np.ndarray  # (B, 3, H, W) float32


@dataclass(frozen=True)
class FinetuneState:
    """State of a training, read and changed by each step. The network's parameters change in place."""

    network: nn.Module
    optimizer: AdamW
    step: int

    @property
    def tensors(self) -> dict[str, jt.Var]:
        """Weights and running statistics."""
        return {f"network/{name}": value for name, value in self.network.named_parameters()}


@dataclass(frozen=True)
class FinetuneOutcome:
    """Measurements of a step, still on the device."""

    logged_losses: dict[str, jt.Var]


def finetune(
    network: nn.Module,
    *,
    make_batch: Callable[[int], FinetuneBatch],
    losses: Callable[[FinetuneBatch, jt.Var | None], dict[str, jt.Var]],
    schedule: FinetuneSchedule,
    seed: int,
    run: str,
    output: Path,
    runtime: RuntimeConfig,
    report: Callable[[Progress], None],
    num_microbatches: int = 1,
    ranks: Ranks = SINGLE_PROCESS,
) -> None:
    """Train `network` in place, resuming where it was stopped; see `pipeline.training.loop.train`.

    Args:
        network: its `.backbone` is a `DenseBackbone` or has the same `depth`, `frozen` and `network`. Frozen
            parameters do not change; running statistics may.
        make_batch: returns the batch of a step, which may depend on nothing else; called in several threads.
        losses: returns weighted loss terms, (1,) each, whose sum is minimised; called with the batch and the
            backbone's stochastic depth, (depth, 2, B) or None.
        run: digest of everything that affects the result; a checkpoint with another digest is refused.
        num_microbatches: number of equal parts in which a batch is computed to save memory; above 1, terms
            must be means over images, and batches need a method `microbatch(index, num_microbatches)`.
        ranks: that train together. All make the same batches, and each computes its own microbatches.

    Raises:
        FloatingPointError: a term is not finite; the message names the step and the images, and the last
            checkpoint stays.
    """
    # First of all, because in Jittor `eval` stops the gradients of parameters, and `train` restarts them.
    network.train()
    training = Finetuning(network, make_batch, losses, schedule, seed, run, num_microbatches, ranks)
    train(training, output, runtime=runtime, report=report)
    network.eval()


class Finetuning(Training[FinetuneState, FinetuneBatch, FinetuneOutcome]):
    """Fine-tuning for the training loop; for the arguments see `finetune`."""

    def __init__(
        self,
        network: nn.Module,
        make_batch: Callable[[int], FinetuneBatch],
        losses: Callable[[FinetuneBatch, jt.Var | None], dict[str, jt.Var]],
        schedule: FinetuneSchedule,
        seed: int,
        run: str,
        num_microbatches: int,
        ranks: Ranks = SINGLE_PROCESS,
    ):
        self._network, self._make_batch, self._losses = network, make_batch, losses
        self.trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
        self._schedule, self._seed, self.num_microbatches = schedule, seed, num_microbatches
        self.ranks = ranks
        if schedule.batch_size % (ranks.count * num_microbatches):
            raise ValueError(
                f"a batch of {schedule.batch_size} images does not divide among {ranks.count} ranks of "
                f"{num_microbatches} microbatches each"
            )
        self.num_steps, self.batch_size, self.run = schedule.num_steps, schedule.batch_size, run

    def fresh_state(self) -> FinetuneState:
        optimizer = _optimizer(self.trained, self._network.backbone.depth, self._schedule)
        return FinetuneState(self._network, optimizer, step=0)

    def first_state(self) -> FinetuneState:
        """The fresh state, with a copy of its numbers, to return to if a loss is not finite."""
        state = self.fresh_state()
        self._at_start = {name: value.numpy().copy() for name, value in state.tensors.items()}
        return state

    def state_at_start(self) -> FinetuneState:
        """The state that `first_state` returned, after training has changed the network."""
        state = self.fresh_state()
        assign_parameters(state.tensors, self._at_start, origin="the initial weights")
        return state

    def alone(self) -> Self:
        """The same training in this process alone, which computes the whole batch."""
        training = copy(self)
        training.ranks = SINGLE_PROCESS
        return training

    def make_batch(self, step: int) -> FinetuneBatch:
        return self._make_batch(step)

    def image_names(self, step: int) -> Sequence[str]:
        return self._make_batch(step).names

    def train_step(self, state: FinetuneState, batch: FinetuneBatch) -> tuple[FinetuneState, FinetuneOutcome]:
        parameters = [parameter for _, parameter in self.trained]
        forward = self.forward(state, batch)
        outputs, gradients = accumulated_gradients(forward, self.num_microbatches, parameters)
        gradients = self.ranks.all_reduce_mean(gradients)
        state.optimizer.step(gradients, lr=self._lr(state), weight_decay=self._schedule.weight_decay)
        losses = mean_losses(outputs).mean_over(self.ranks)
        return replace(state, step=state.step + 1), FinetuneOutcome({"loss": losses.total, **losses.terms})

    def forward(self, state: FinetuneState, batch: FinetuneBatch) -> Callable[[int], Losses]:
        """The forward pass of a step, by the index of this rank's microbatch."""
        ranks = self.ranks
        count, first = ranks.count * self.num_microbatches, ranks.index * self.num_microbatches
        scales = self._drop_path_scales(state, len(batch.images))
        of_microbatch = [None] * count if scales is None else np.split(scales, count, axis=2)

        def of_one(index: int) -> Losses:
            microbatch = batch if count == 1 else batch.microbatch(first + index, count)
            drop_path = of_microbatch[first + index]
            with shared_among(ranks):
                terms = self._losses(microbatch, None if drop_path is None else jt.array(drop_path))
            return Losses(sum(terms.values()), terms)

        return of_one

    def after_logged_step(self, state: FinetuneState) -> None:
        """Check running statistics: in Jittor, ReLU makes 0 of NaN, so the losses may stay finite.

        Raises:
            FloatingPointError: a statistic is not finite.
        """
        statistics = running_statistics(state.network)
        for name, values in zip(statistics, _read(list(statistics.values())), strict=True):
            if not np.isfinite(values).all():
                raise FloatingPointError(
                    f"step {state.step}: network/{name} is not finite, though the losses are: a ReLU makes 0 "
                    "of what is no number"
                )

    def explanation(self, state: FinetuneState, step: int, output: Path, say: Callable[[str], None]) -> str:
        """Repeat steps up to the first non-finite one, save it, and name its first non-finite tensor."""
        return explanation(self, state, step, output, say)

    def measured(self, state: FinetuneState, outcome: FinetuneOutcome) -> dict[str, float]:
        return {"lr": self._lr(replace(state, step=state.step - 1))}

    def _lr(self, state: FinetuneState) -> float:
        """Learning rate of the step after `state`."""
        return learning_rate(self._schedule, state.step, frozen=state.network.backbone.frozen)

    def _drop_path_scales(self, state: FinetuneState, num_images: int) -> np.ndarray | None:
        """Stochastic depth of the blocks, (depth, 2, B); its rate rises linearly to `drop_path_rate`."""
        backbone, rate = state.network.backbone, self._schedule.drop_path_rate
        if backbone.frozen or not rate:
            return None
        rng = generator(self._seed, Purpose.DENSE_DROP_PATH, state.step)
        return drop_path_scales(rng, drop_path_rates(rate, backbone.depth, 0), 2, num_images)


def running_statistics(network: nn.Module) -> dict[str, jt.Var]:
    """Running statistics of the norms, by their parameters' names: what changes beside what is trained."""
    named = network.named_parameters()
    return {
        name: value for name, value in named if name.rpartition(".")[2] in ("running_mean", "running_var")
    }


def _read(values: list[jt.Var]) -> list[np.ndarray]:
    if not jt.flags.use_cuda or not values:
        return [value.numpy() for value in values]
    # As one array: Jittor moves a variable that is read to the host, and back when a kernel needs it.
    ends = np.cumsum([value.numel() for value in values])[:-1]
    return np.split(jt.concat([value.reshape(-1) for value in values]).numpy(), ends)


def _optimizer(named: list[tuple[str, jt.Var]], depth: int, schedule: FinetuneSchedule) -> AdamW:
    scales = layer_scales([name for name, _ in named], depth, schedule.layer_decay)
    return AdamW(
        [parameter for _, parameter in named],
        decayed=[decayed(name, p.shape, embeddings=schedule.embeddings_decay) for name, p in named],
        lr_scales=[scales[name] for name, _ in named],
        max_gradient_norm=schedule.max_gradient_norm,
    )
