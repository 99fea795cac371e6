"""Joint training from data to scores, resuming where an earlier run was stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jittor as jt

from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.optim.schedules import Schedule
from pipeline.pretrain.batch_maker import BatchMaker
from pipeline.pretrain.discrepancy import held_out_crops
from pipeline.pretrain.loop import CHECKPOINT, Progress
from pipeline.pretrain.methods import method_of
from pipeline.pretrain.monitor import check_finite, loss_values, teacher_statistics
from pipeline.search.checkpoint import load_checkpoint, save_checkpoint
from pipeline.search.cost import measured_cost
from pipeline.search.scores import candidate_scores, joint_discrepancies
from pipeline.search.step import JointOutcome, joint_state, joint_step
from pipeline.training.metrics_log import METRICS, append_metrics, read_metrics, rewind
from pipeline.training.prefetch import prefetch
from pipeline.training.throughput import StepClock
from pipeline.transforms import on_device

_OWN_LOSS = "loss_auxiliary"  # how the head's own term begins in the log
_TAIL = 0.1  # last share of the steps, whose mean loss is a candidate's


@dataclass(frozen=True)
class SearchOutcome:
    """What a joint training leaves behind."""

    scores: dict[str, dict[str, float]]  # candidate -> proxy -> value; equal runs have equal scores
    cost: dict[str, Any]  # measured in seconds: never equal twice


def train_jointly(
    config: JointTrainingConfig,
    dataset: PreparedDataset,
    output: Path,
    *,
    runtime: RuntimeConfig,
    report: Callable[[Progress], None],
) -> SearchOutcome:
    """Train to the end of the schedule, from `output/checkpoint.safetensors` if there is one, and measure.

    The scores depend on the configuration, the data and the thread count only: a run that was killed and
    resumed ends bit for bit like one that was not.

    Raises:
        FloatingPointError: a loss term is not finite; the last checkpoint stays.
    """
    alone = config.pretrain
    schedule = Schedule(alone.schedule, alone.objective, num_images=len(dataset.indices("train")))
    state, method = joint_state(config), method_of(alone)
    if (output / CHECKPOINT).is_file():
        state = load_checkpoint(output / CHECKPOINT, state, config)
    rewind(output / METRICS, state.step)
    crops = held_out_crops(dataset, alone)
    clock = StepClock(state.step, alone.schedule.batch_size)
    make_batch = BatchMaker(alone, dataset, on_device=on_device.available())
    unread: list[tuple[int, JointOutcome]] = []
    for batch in prefetch(make_batch, range(state.step, schedule.num_steps)):
        clock.batch_arrived()
        batch = batch.rendered()
        state, outcome = joint_step(state, batch, schedule.at(state.step), config)
        jt.sync_all()  # hands the step to the device; does not wait for it
        unread.append((state.step, outcome))
        due = state.step % runtime.log_every_steps == 0 or state.step in (1, schedule.num_steps)
        if due or _in_tail(state.step, schedule.num_steps):
            losses = {}
            for step, of_step in unread:
                losses = joint_losses(of_step)
                check_finite(step, losses)
            unread.clear()
            metrics = {"step": state.step, **losses, **teacher_statistics(outcome.answers)}
            if due:
                metrics |= _flat(joint_discrepancies(state, crops, config)) | clock.read(state.step)
            append_metrics(output / METRICS, metrics)
            report(Progress(state.step, schedule.num_steps, metrics, method.warning(metrics)))
            # Saved only after a look at the losses, so that a checkpoint never holds a broken network.
            if clock.checkpoint_due(runtime.checkpoint_every_minutes) and state.step < schedule.num_steps:
                save_checkpoint(output / CHECKPOINT, state, config)
        clock.batch_asked()
    save_checkpoint(output / CHECKPOINT, state, config)
    scores = _with_own_losses(candidate_scores(state, crops, config), output, schedule.num_steps)
    last = schedule.num_steps - 1
    cost = measured_cost(state, make_batch(last), schedule.at(last), config, schedule.num_steps)
    return SearchOutcome(scores, cost)


def joint_losses(outcome: JointOutcome) -> dict[str, float]:
    """ "loss", the mean over candidates, and "<candidate>/loss_<part>"."""
    values = {name: loss_values(terms) for name, terms in outcome.terms.items()}
    mean = sum(of_one["loss"] for of_one in values.values()) / len(values)
    return {"loss": mean, **_flat(values)}


def _flat(values: dict[str, dict[str, float]]) -> dict[str, float]:
    return {f"{name}/{key}": value for name, of_one in values.items() for key, value in of_one.items()}


def _in_tail(step: int, num_steps: int) -> bool:
    """Whether the losses of a step count: all are logged then, however often the user wants a line."""
    return step > num_steps - max(1, round(_TAIL * num_steps))


def _with_own_losses(
    scores: dict[str, dict[str, float]], output: Path, num_steps: int
) -> dict[str, dict[str, float]]:
    """With "auxiliary_loss", of methods that have such a term."""
    tail = [line for line in read_metrics(output / METRICS) if _in_tail(line["step"], num_steps)]
    found = {}
    for name, values in scores.items():
        start = f"{name}/{_OWN_LOSS}"
        losses = [value for line in tail for key, value in line.items() if key.startswith(start)]
        found[name] = values | ({"auxiliary_loss": sum(losses) / len(losses)} if losses else {})
    return found
