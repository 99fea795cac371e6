"""Fine-tuning from a backbone and a fresh head to the end of the schedule, resuming where it was stopped."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.config.dense import FinetuneSchedule
from pipeline.config.stages import RuntimeConfig
from pipeline.finetune.checkpoint import load_checkpoint, save_checkpoint
from pipeline.finetune.rates import decayed, layer_scales, learning_rate
from pipeline.kernels.adamw import AdamW
from pipeline.models.drop_path import path_rates, path_scales
from pipeline.training.metrics_log import append_metrics, rewind
from pipeline.training.prefetch import prefetch
from pipeline.training.random_streams import Stream, generator
from pipeline.training.throughput import StepClock

CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.jsonl"


class DenseBatch(Protocol):
    """What the loop asks of a batch; the rest is between who makes it and who takes losses of it."""

    names: Sequence[str]  # of the images, for messages
    images: np.ndarray  # (B, 3, H, W) float32


@dataclass(frozen=True)
class Progress:
    """What a bar shows after a logged step."""

    step: int  # done
    num_steps: int
    metrics: dict[str, float]


def finetune(
    network: nn.Module,
    *,
    make_batch: Callable[[int], DenseBatch],
    losses: Callable[[DenseBatch, jt.Var | None], dict[str, jt.Var]],
    schedule: FinetuneSchedule,
    seed: int,
    run: str,
    output: Path,
    runtime: RuntimeConfig,
    report: Callable[[Progress], None],
    num_parts: int = 1,
) -> None:
    """Train `network` in place, from `output/checkpoint.safetensors` if there is one.

    Args:
        network: with a `DenseBackbone`, or what has its `depth`, `frozen` and `network`, as `.backbone`. What
            takes no gradient stays bit for bit, but for running statistics.
        make_batch: the batch of a step, a function of the step alone; called in several threads at once.
        losses: weighted loss terms (), their sum is minimised; given the batch and the stochastic depth of
            the backbone, (depth, 2, B) or None.
        run: digest of all that decides the result; a checkpoint of another one is refused.
        num_parts: of equal size, in which a batch is computed to save memory; above 1, terms must be means
            over images and batches have a method `part(index, num_parts)`.

    Raises:
        FloatingPointError: a term is not finite; the message names the step and the images, and the last
            checkpoint stays.
    """
    # First of all: in Jittor `eval` takes the gradients from parameters, and `train` gives them back.
    network.train()
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    optimizer = _optimizer(named, network.backbone.depth, schedule)
    checkpoint = output / CHECKPOINT
    start = load_checkpoint(checkpoint, network, optimizer, run=run) if checkpoint.is_file() else 0
    rewind(output / METRICS, start)
    clock, unread = StepClock(start, schedule.batch_size), []
    batches = prefetch(make_batch, range(start, schedule.num_steps))
    for done, batch in enumerate(batches, start=start + 1):
        clock.batch_arrived()
        paths = _drawn_paths(network.backbone, schedule, seed, done - 1, len(batch.images))
        terms, gradients = _gradients(losses, batch, paths, [p for _, p in named], num_parts)
        lr = learning_rate(schedule, done - 1, frozen=network.backbone.frozen)
        optimizer.step(gradients, lr=lr, weight_decay=schedule.weight_decay)
        unread.append((done, batch.names, terms))
        jt.sync_all()
        if done % runtime.log_every_steps == 0 or done in (1, schedule.num_steps):
            values = [_finite(*entry) for entry in unread][-1]
            unread.clear()
            metrics = {"step": done, "loss": sum(values.values()), **values, "lr": lr, **clock.read(done)}
            append_metrics(output / METRICS, metrics)
            report(Progress(done, schedule.num_steps, metrics))
            if clock.checkpoint_due(runtime.checkpoint_every_minutes) and done < schedule.num_steps:
                save_checkpoint(checkpoint, network, optimizer, step=done, run=run)
        clock.batch_asked()
    save_checkpoint(checkpoint, network, optimizer, step=schedule.num_steps, run=run)
    network.eval()


def _gradients(
    losses: Callable[[DenseBatch, jt.Var | None], dict[str, jt.Var]],
    batch: DenseBatch,
    paths: np.ndarray | None,
    parameters: list[jt.Var],
    num_parts: int,
) -> tuple[dict[str, jt.Var], list[jt.Var]]:
    """Terms of a batch, and the gradients of their sum: means over its parts."""
    means, gradients = {}, []
    for part, scales in _parts(batch, paths, num_parts):
        terms = losses(part, scales)
        of_part = jt.grad(sum(terms.values()) / num_parts, parameters)
        gradients = [a + b for a, b in zip(gradients, of_part, strict=True)] if gradients else of_part
        # A term that still asks for a gradient would keep its whole graph, activations included, alive.
        shares = {name: (term / num_parts).stop_grad() for name, term in terms.items()}
        means = {name: means[name] + share if means else share for name, share in shares.items()}
        if num_parts > 1:
            # Run what is queued now: left lazy, every part's activations would live at once.
            jt.sync(gradients)
    return means, gradients


def _parts(
    batch: DenseBatch, paths: np.ndarray | None, num_parts: int
) -> Iterator[tuple[DenseBatch, jt.Var | None]]:
    scales = [None] * num_parts if paths is None else np.split(paths, num_parts, axis=2)
    for index, of_part in enumerate(scales):
        part = batch if num_parts == 1 else batch.part(index, num_parts)
        yield part, None if of_part is None else jt.array(of_part)


def _optimizer(named: list[tuple[str, jt.Var]], depth: int, schedule: FinetuneSchedule) -> AdamW:
    scales = layer_scales([name for name, _ in named], depth, schedule.layer_decay)
    return AdamW(
        [parameter for _, parameter in named],
        decayed=[decayed(name, p.shape, embeddings=schedule.embeddings_decay) for name, p in named],
        lr_scales=[scales[name] for name, _ in named],
        max_gradient_norm=schedule.max_gradient_norm,
    )


def _drawn_paths(
    backbone, schedule: FinetuneSchedule, seed: int, step: int, num_images: int
) -> np.ndarray | None:
    """Stochastic depth of the backbone's blocks, linear from 0 to `drop_path_rate`: (depth, 2, B)."""
    if backbone.frozen or not schedule.drop_path_rate:
        return None
    rates = path_rates(schedule.drop_path_rate, backbone.depth, 0)
    return path_scales(generator(seed, Stream.DENSE_DROP_PATH, step), rates, 2, num_images)


def _finite(step: int, names: Sequence[str], terms: dict[str, jt.Var]) -> dict[str, float]:
    values = {name: term.item() for name, term in terms.items()}
    bad = {name: value for name, value in values.items() if not math.isfinite(value)}
    if bad:
        raise FloatingPointError(
            f"step {step}: non-finite loss terms {bad}; all terms: {values}; images: {', '.join(names)}"
        )
    return values
