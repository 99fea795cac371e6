"""Pretraining from data to backbone, resuming where an earlier run was stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jittor as jt

from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.optim.schedules import Rates, Schedule
from pipeline.pretrain.batch_maker import BatchMaker
from pipeline.pretrain.checkpoint import load_checkpoint, load_start, save_checkpoint
from pipeline.pretrain.discrepancy import held_out_crops, measured_discrepancy
from pipeline.pretrain.given_base import with_base
from pipeline.pretrain.methods import method_of
from pipeline.pretrain.monitor import check_finite, loss_values, teacher_statistics
from pipeline.pretrain.step import StepOutcome, TrainState, initial_state, train_step
from pipeline.training.metrics_log import METRICS, append_metrics, rewind
from pipeline.training.prefetch import prefetch
from pipeline.training.throughput import StepClock
from pipeline.transforms import on_device

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Progress:
    """What a bar shows after a logged step."""

    step: int  # done
    num_steps: int
    metrics: dict[str, float]
    warning: str | None


def pretrain(
    config: PretrainConfig,
    dataset: PreparedDataset,
    output: Path,
    *,
    runtime: RuntimeConfig,
    report: Callable[[Progress], None],
    export: Callable[[int, TrainState], None] = lambda epoch, state: None,
    base: Path | None = None,
) -> TrainState:
    """Train to the end of the schedule, from `output/checkpoint.safetensors` if there is one.

    The numbers depend on the configuration, the data and the thread count only: a run that was killed
    and resumed ends bit for bit like one that was not.

    Args:
        base: file of the backbone that student and teacher start with; None: random weights.
        export: called with the number of whole epochs done and the state, at the end of every
            `schedule.export_every_epochs` epochs but the last of the run.

    Raises:
        FloatingPointError: a loss term is not finite; the last checkpoint stays.
        WeightsError: the checkpoint that the configuration starts from does not fit it.
    """
    schedule = Schedule(config.schedule, config.objective, num_images=len(dataset.indices("train")))
    method, state = method_of(config), initial_state(config)
    if (output / CHECKPOINT).is_file():
        state = load_checkpoint(output / CHECKPOINT, state, config)
    elif config.start is not None:
        state = load_start(config.start, state, num_steps=schedule.num_steps)
    elif base is not None:
        state = with_base(state, base, config.backbone)
    rewind(output / METRICS, state.step)
    clock = StepClock(state.step, config.schedule.batch_size)
    discrepancy = _discrepancy_of(dataset, config)
    unread = []  # losses are read at logging steps only: reading waits for the device
    batches = prefetch(
        BatchMaker(config, dataset, on_device=on_device.available()),
        range(state.step, schedule.num_steps),
        num_threads=runtime.loader_threads,
        depth=max(4, 2 * runtime.loader_threads),
    )
    for batch in batches:
        clock.batch_arrived()
        batch = batch.rendered()
        rates = schedule.at(state.step)
        state, outcome = train_step(state, batch, rates, config)
        jt.sync_all()  # hands the step to the device; does not wait for it
        unread.append((state.step, outcome.terms))
        epoch = schedule.export_due(state.step)
        if epoch or state.step % runtime.log_every_steps == 0 or state.step in (1, schedule.num_steps):
            for step, terms in unread:
                losses = loss_values(terms)
                check_finite(step, losses)
            unread.clear()
            metrics = {
                "step": state.step,
                **losses,
                **_measured(outcome, rates, state),
                **discrepancy(state),
                **clock.read(state.step),
            }
            append_metrics(output / METRICS, metrics)
            report(Progress(state.step, schedule.num_steps, metrics, method.warning(metrics)))
            if epoch:
                export(epoch, state)
            # Saved only after a look at the losses, so that a checkpoint never holds a broken network.
            if clock.checkpoint_due(runtime.checkpoint_every_minutes) and state.step < schedule.num_steps:
                save_checkpoint(output / CHECKPOINT, state, config)
        clock.batch_asked()
    save_checkpoint(output / CHECKPOINT, state, config)
    return state


def _discrepancy_of(
    dataset: PreparedDataset, config: PretrainConfig
) -> Callable[[TrainState], dict[str, float]]:
    """Measures on images that are fixed for the run; nothing without an auxiliary head."""
    if config.auxiliary_head is None:
        return lambda state: {}
    crops = held_out_crops(dataset, config)

    def measured(state: TrainState) -> dict[str, float]:
        network = state.student if state.teacher is None else state.teacher
        return measured_discrepancy(network, crops, config.objective.student_temperature)

    return measured


def _measured(outcome: StepOutcome, rates: Rates, state: TrainState) -> dict[str, float]:
    measured = {
        **teacher_statistics(outcome.answers),
        **{name: float(value.item()) for name, value in outcome.watched.items()},
        "lr": rates.lr,
        "weight_decay": rates.weight_decay,
    }
    if state.teacher is not None:
        measured["ema_momentum"] = rates.ema_momentum
    if outcome.answers.cls_probs is not None:
        measured["teacher_temperature"] = rates.teacher_temperature
    return measured
