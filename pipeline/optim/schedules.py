"""Learning rate, weight decay and other schedules as functions of the optimiser step (NumPy only)."""

import math
from dataclasses import dataclass

from pipeline.config.models import ObjectiveConfig
from pipeline.config.stages import ScheduleConfig


@dataclass(frozen=True)
class Rates:
    """The scheduled values of one step."""

    lr: float
    weight_decay: float
    ema_momentum: float
    teacher_temperature: float
    patch_temperature: float
    last_layer_frozen: bool


@dataclass(frozen=True)
class Schedule:
    """The schedules of a whole run.

    Source: DINO/iBOT cosine scheduler (per step; linear warm-up from 0) and temperature schedule (per
    epoch, the first epoch at the start value and the last warm-up epoch at the end value).
    """

    config: ScheduleConfig
    objective: ObjectiveConfig
    num_images: int  # in an epoch

    def __post_init__(self):
        if self.num_images < 1:
            raise ValueError("no images to train on")

    @property
    def num_steps(self) -> int:
        """Optimiser steps of the run."""
        return max(1, round(self.config.epochs * self.num_images / self.config.batch_size))

    def export_due(self, num_done: int) -> int | None:
        """The number of epochs done after `num_done` steps, if the backbone is exported then; else None.

        None at the end of the run as well: the final backbone is written anyway.
        """
        if num_done >= self.num_steps:
            return None
        return self.epochs_due(num_done, self.config.export_every_epochs)

    def exports(self) -> list[int]:
        """The numbers of epochs after which the backbone is exported, over the whole run."""
        every = self.config.export_every_epochs
        epochs = range(every, math.ceil(self.config.epochs) + 1, every) if every else ()
        steps = {math.ceil(epoch * self.num_images / self.config.batch_size) for epoch in epochs}
        return sorted(filter(None, map(self.export_due, steps)))

    def epochs_due(self, num_done: int, every: int) -> int | None:
        """Whole epochs done, if step `num_done` is the first past another `every` epochs; else None."""
        if not every:
            return None
        size = self.config.batch_size
        before, now = (epoch_of(step, size, self.num_images) // every for step in (num_done - 1, num_done))
        return now * every if now > before else None

    def at(self, step: int) -> Rates:
        """Scheduled values of step 0, 1, ..., num_steps - 1."""
        config, objective = self.config, self.objective
        epochs_done = step * config.batch_size / self.num_images
        epoch = epoch_of(step, config.batch_size, self.num_images)
        warmup_steps = min(self.num_steps, round(config.warmup_epochs * self.num_images / config.batch_size))
        return Rates(
            lr=warmup_cosine(step, self.num_steps, warmup_steps, config.peak_lr, config.min_lr),
            weight_decay=cosine(step, self.num_steps, config.weight_decay, config.weight_decay_end),
            ema_momentum=cosine(step, self.num_steps, config.ema_momentum, config.ema_momentum_end),
            teacher_temperature=warm_temperature(
                epoch,
                objective.teacher_temperature_warmup_epochs,
                objective.teacher_temperature_start,
                objective.teacher_temperature,
            ),
            patch_temperature=warm_temperature(
                max(0, epoch - objective.patch_start_epoch),
                objective.patch_temperature_warmup_epochs,
                objective.patch_temperature_start,
                objective.patch_temperature,
            ),
            last_layer_frozen=epochs_done < config.freeze_last_layer_epochs,
        )


def epoch_of(step: int, batch_size: int, num_images: int) -> int:
    """The epoch in which a step begins; both count from 0."""
    return int(step * batch_size / num_images)


def cosine(step: int, num_steps: int, start: float, end: float) -> float:
    """`start` at step 0, approaching `end` at `num_steps` along half a cosine."""
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * step / num_steps))


def warmup_cosine(step: int, num_steps: int, warmup_steps: int, peak: float, end: float) -> float:
    """Linear from 0 to `peak` in `warmup_steps`, then half a cosine down to `end`."""
    if step < warmup_steps:
        return peak * step / max(1, warmup_steps - 1)
    return cosine(step - warmup_steps, num_steps - warmup_steps, peak, end)


def warm_temperature(epoch: int, warmup_epochs: float, start: float, end: float) -> float:
    """Linear in whole epochs: `start` in epoch 0, `end` from epoch `warmup_epochs - 1` on."""
    last = round(warmup_epochs) - 1
    if epoch > last:
        return end
    return start + (end - start) * epoch / max(1, last)
