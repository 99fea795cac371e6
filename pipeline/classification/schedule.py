"""Converts a schedule in epochs into one in optimiser steps."""

from pipeline.config.dense import FinetuneSchedule
from pipeline.config.finetune import ClassificationSchedule

_LR_REFERENCE_BATCH = 256  # images; base learning rates are stated for this batch size


def schedule_in_steps(schedule: ClassificationSchedule, num_images: int) -> FinetuneSchedule:
    """The schedule in steps for a training set of `num_images`; the warm-up stays the same share of it."""
    num_steps = max(1, schedule.min_steps, round(schedule.epochs * num_images / schedule.batch_size))
    return FinetuneSchedule(
        num_steps=num_steps,
        batch_size=schedule.batch_size,
        precision=schedule.precision,
        lr=schedule.base_lr * schedule.batch_size / _LR_REFERENCE_BATCH,
        min_lr=schedule.min_lr,
        warmup_steps=round(num_steps * schedule.warmup_epochs / schedule.epochs),
        decay="cosine",
        weight_decay=schedule.weight_decay,
        embeddings_decay=False,
        layer_decay=schedule.layer_decay,
        drop_path_rate=schedule.drop_path_rate,
        max_gradient_norm=schedule.max_gradient_norm,
    )
