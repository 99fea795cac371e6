"""Pretraining from data to backbone, resuming where an earlier run was stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jittor as jt

from pipeline.clock import StepClock
from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.metrics_log import append_metrics, rewind
from pipeline.models.hssl import HSSLNetwork
from pipeline.optim.schedules import Rates, Schedule
from pipeline.prefetch import prefetch
from pipeline.pretrain.batch_maker import BatchMaker
from pipeline.pretrain.checkpoint import load_checkpoint, save_checkpoint
from pipeline.pretrain.discrepancy import held_out_images, measured_discrepancy
from pipeline.pretrain.monitor import check_finite, collapse, loss_values, teacher_statistics
from pipeline.pretrain.step import StepOutcome, TrainState, initial_state, train_step

CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.jsonl"


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
) -> TrainState:
    """Train to the end of the schedule, from `output/checkpoint.safetensors` if there is one.

    The numbers depend on the configuration, the data and the thread count only: a run that was killed
    and resumed ends bit for bit like one that was not.

    Raises:
        FloatingPointError: a loss term is not finite; the last checkpoint stays.
    """
    schedule = Schedule(config.schedule, config.objective, num_images=len(dataset.indices("train")))
    state = initial_state(config)
    if (output / CHECKPOINT).is_file():
        state = load_checkpoint(output / CHECKPOINT, state, config)
    rewind(output / METRICS, state.step)
    clock = StepClock(state.step, config.schedule.batch_size)
    discrepancy = _discrepancy_of(dataset, config)
    unread = []  # losses are read at logging steps only: reading waits for the device
    batches = prefetch(BatchMaker(config, dataset), range(state.step, schedule.num_steps))
    for batch in batches:
        clock.batch_arrived()
        rates = schedule.at(state.step)
        state, outcome = train_step(state, batch, rates, config)
        jt.sync_all()  # hands the step to the device; does not wait for it
        unread.append((state.step, outcome.terms))
        if state.step % runtime.log_every_steps == 0 or state.step in (1, schedule.num_steps):
            for step, terms in unread:
                losses = loss_values(terms)
                check_finite(step, losses)
            unread.clear()
            metrics = {
                "step": state.step,
                **losses,
                **_measured(outcome, rates),
                **discrepancy(state.teacher),
                **clock.read(state.step),
            }
            append_metrics(output / METRICS, metrics)
            warning = collapse(metrics, config.projection_head.num_prototypes)
            report(Progress(state.step, schedule.num_steps, metrics, warning))
            # Saved only after a look at the losses, so that a checkpoint never holds a broken network.
            if clock.checkpoint_due(runtime.checkpoint_every_minutes) and state.step < schedule.num_steps:
                save_checkpoint(output / CHECKPOINT, state, config)
        clock.batch_asked()
    save_checkpoint(output / CHECKPOINT, state, config)
    return state


def _discrepancy_of(
    dataset: PreparedDataset, config: PretrainConfig
) -> Callable[[HSSLNetwork], dict[str, float]]:
    """Measures on images that are fixed for the run; nothing without an auxiliary head."""
    if config.auxiliary_head is None:
        return lambda network: {}
    crops = held_out_images(dataset, config).crops
    return lambda network: measured_discrepancy(network, crops, config.objective.student_temperature)


def _measured(outcome: StepOutcome, rates: Rates) -> dict[str, float]:
    return {
        **teacher_statistics(outcome.targets),
        "lr": rates.lr,
        "weight_decay": rates.weight_decay,
        "ema_momentum": rates.ema_momentum,
        "teacher_temperature": rates.teacher_temperature,
    }
