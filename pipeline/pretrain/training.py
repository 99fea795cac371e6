"""Pretraining, from data to backbone."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.optim.schedules import Schedule
from pipeline.pretrain.batch import Batch, PackedBatch
from pipeline.pretrain.batch_maker import BatchMaker
from pipeline.pretrain.collapse import teacher_statistics
from pipeline.pretrain.discrepancy import held_out_crops, measured_discrepancy
from pipeline.pretrain.given_base import with_base
from pipeline.pretrain.methods.method import method_of
from pipeline.pretrain.monitor.monitors import MONITORS
from pipeline.pretrain.non_finite.first_step import explanation
from pipeline.pretrain.start import load_start
from pipeline.pretrain.step import StepOutcome, TrainState, initial_state, train_step
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.storage.files import sha256_of_json
from pipeline.training.checkpoint import State
from pipeline.training.gradient_watch import GradientWatch
from pipeline.training.loop import OutcomeT, Training, train
from pipeline.training.progress import Progress
from pipeline.transforms import on_device


def pretrain(
    config: PretrainConfig,
    dataset: PreparedDataset,
    output: Path,
    *,
    runtime: RuntimeConfig,
    report: Callable[[Progress], None],
    export: Callable[[int, TrainState], None] = lambda epoch, state: None,
    base: Path | None = None,
    ranks: Ranks = SINGLE_PROCESS,
) -> TrainState:
    """Train to the end of the schedule; resumes, see `pipeline.training.loop.train`.

    The numbers depend only on the configuration, the data, the thread count and the number of ranks; on the
    last two through the order of sums.

    Args:
        export: called with the number of whole epochs done and the state, after every
            `schedule.export_every_epochs` epochs except at the end of the run.
        base: file of the backbone with which student and teacher start; None: random weights.
        ranks: that train together, each in a process that calls this; the first one reports and exports.

    Raises:
        FloatingPointError: a loss is not finite; the last checkpoint is kept.
        WeightsError: the checkpoint from which the configuration starts does not fit it.
        RanksDiffer: the ranks' parameters diverged from one another.
        GradientsDiffer: in the step that is checked, gradients differ from those of plain operators.
    """
    training = Pretraining(config, dataset, output, export, base, ranks)
    return train(training, output, runtime=runtime, report=report)


def num_steps(config: PretrainConfig, dataset: PreparedDataset) -> int:
    """Optimiser steps of the whole pretraining."""
    return _schedule(config, dataset).num_steps


def exported_epochs(config: PretrainConfig, dataset: PreparedDataset) -> list[int]:
    """Whole epochs after which `pretrain` calls `export`, if it starts from step 0."""
    return _schedule(config, dataset).exports()


class CropTraining(Training[State, Batch | PackedBatch, OutcomeT]):
    """Base class of trainings on a pretraining's crops and schedule: this one, and that of a search.

    Args:
        run: digest of everything that affects the result.
        ranks: that train together.
    """

    def __init__(
        self, config: PretrainConfig, dataset: PreparedDataset, run: str, ranks: Ranks = SINGLE_PROCESS
    ):
        self._pretrain, self._dataset, self.ranks = config, dataset, ranks
        self._method = method_of(config)
        # The kernels that make crops on a device are for 8-bit RGB.
        on_card = on_device.available() and config.backbone.channels is None
        self._batches = BatchMaker(config, dataset, on_device=on_card, ranks=ranks)
        self.schedule = _schedule(config, dataset)
        self.num_steps, self.batch_size = self.schedule.num_steps, config.schedule.batch_size
        self.run = run

    def make_batch(self, step: int) -> Batch | PackedBatch:
        return self._batches(step)

    def image_names(self, step: int) -> list[str]:
        return [self._dataset.path(int(row)) for row in self._batches.image_rows(step)]

    def warning(self, metrics: dict[str, float]) -> str | None:
        return self._method.warning(metrics)

    @cached_property
    def held_out_crops(self) -> np.ndarray:
        """(B, 3, S, S) float32, the same for the whole run."""
        config = self._pretrain
        return held_out_crops(self._dataset, config.crops.global_size, config.normalization)


class Pretraining(CropTraining[TrainState, StepOutcome]):
    """Pretraining for the training loop: batches, steps, and measurements besides the losses."""

    def __init__(
        self,
        config: PretrainConfig,
        dataset: PreparedDataset,
        output: Path,
        export: Callable[[int, TrainState], None],
        base: Path | None,
        ranks: Ranks,
    ):
        run = sha256_of_json([config.model_dump(mode="json"), dataset.content_digest])
        super().__init__(config, dataset, run, ranks)
        self._config, self._export, self._base = config, export, base
        self._output, monitor = output, config.monitor
        self._monitor = MONITORS["measures"](config, dataset) if monitor and monitor.every_epochs else None
        pictured = monitor is not None and monitor.pictures_every_epochs is not None and ranks.is_first
        self._pictured = MONITORS["pictures"](config, dataset) if pictured else None

    def fresh_state(self) -> TrainState:
        return initial_state(self._config)

    def first_state(self) -> TrainState:
        """The fresh state, another run's checkpoint, or the fresh state with the weights of a given base."""
        state = self.fresh_state()
        if self._config.start is not None:
            return load_start(self._config.start, state, num_steps=self.num_steps)
        if self._base is not None:
            return with_base(state, self._base, self._config.backbone)
        return state

    def train_step(self, state: TrainState, batch: Batch | PackedBatch) -> tuple[TrainState, StepOutcome]:
        rates = self.schedule.at(state.step)
        return train_step(state, batch.rendered(), rates, self._config, self.ranks)

    def watched_step(
        self, state: TrainState, batch: Batch | PackedBatch, watch: GradientWatch
    ) -> tuple[TrainState, StepOutcome]:
        if self._config.schedule.optimizer != "adamw":
            # Optimisers other than AdamW are Jittor operators, compiled together with those of the gradients:
            # reading the gradients changed the last bits.
            return self.train_step(state, batch)
        rates = self.schedule.at(state.step)
        return train_step(state, batch.rendered(), rates, self._config, self.ranks, watch)

    def explanation(self, state: TrainState, step: int, output: Path, say: Callable[[str], None]) -> str:
        """Repeat steps up to the first non-finite one, save it, and name its first non-finite tensor."""
        return explanation(self, self._config, state, step, output, say)

    def measured(self, state: TrainState, outcome: StepOutcome) -> dict[str, float]:
        """Teacher statistics, the method's own metrics, rates, and the discrepancy of base and head.

        With several ranks only the first returns them: images other than the batch's are the same for all.
        """
        rates = self.schedule.at(state.step - 1)
        teacher_output = outcome.teacher_output.gathered(self.ranks)
        metrics = self.ranks.all_reduce_mean_of(outcome.metrics)
        if not self.ranks.is_first:
            return {}
        values = {
            **teacher_statistics(teacher_output),
            **{name: float(value.item()) for name, value in metrics.items()},
            "lr": rates.lr,
            "weight_decay": rates.weight_decay,
        }
        if state.teacher is not None:
            values["ema_momentum"] = rates.ema_momentum
        if outcome.teacher_output.cls_probs is not None:
            values["teacher_temperature"] = rates.teacher_temperature
        if self._config.auxiliary_head is not None:
            network = state.student if state.teacher is None else state.teacher
            temperature = self._config.objective.student_temperature
            values |= measured_discrepancy(network, self.held_out_crops, temperature)
        if self._monitor_due(state.step):
            values |= self._monitor.measured(state, rates)
        if self._pictured is not None and self._pictures_due(state.step):
            self._pictured.draw(getattr(state, self._method.published), self._output, state.step)
        return values

    def always_logged(self, num_done: int) -> bool:
        due = self.schedule.export_due(num_done) is not None or self._monitor_due(num_done)
        due = due or self._pictures_due(num_done)
        return super().always_logged(num_done) or due

    def _monitor_due(self, num_done: int) -> bool:
        monitor = self._config.monitor
        return monitor is not None and self._due(num_done, monitor.every_epochs)

    def _pictures_due(self, num_done: int) -> bool:
        monitor = self._config.monitor
        return monitor is not None and self._due(num_done, monitor.pictures_every_epochs or 0)

    def _due(self, num_done: int, every: int) -> bool:
        """Whether another `every` epochs (0: never), or the training, are complete after so many steps."""
        return every > 0 and (num_done == self.num_steps or bool(self.schedule.epochs_due(num_done, every)))

    def after_logged_step(self, state: TrainState) -> None:
        if epoch := self.schedule.export_due(state.step):
            self._export(epoch, state)


def _schedule(config: PretrainConfig, dataset: PreparedDataset) -> Schedule:
    return Schedule(config.schedule, config.objective, num_images=len(dataset.indices("train")))
