"""One optimiser step: targets, loss, gradients, update, teacher, centres."""

from dataclasses import dataclass, replace

import jittor as jt
import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.kernels.adamw import AdamW, ema_update
from pipeline.models.drop_path import path_rates, path_scales
from pipeline.models.hssl import HSSLNetwork, PathScales, build_student_teacher
from pipeline.optim.param_groups import decays
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.centers import Centers, initial_centers, updated_center
from pipeline.pretrain.objective import Paths, Targets, Terms, hssl_terms, teacher_targets
from pipeline.streams import Stream, generator


@dataclass(frozen=True)
class TrainState:
    """Everything that a step reads and changes. The networks' parameters change in place."""

    student: HSSLNetwork
    teacher: HSSLNetwork
    optimizer: AdamW
    centers: Centers
    step: int  # optimiser steps done


@dataclass(frozen=True)
class StepOutcome:
    """What a step measured, still on the device."""

    terms: Terms  # of the whole batch
    targets: Targets  # of the batch's last part


def initial_state(config: PretrainConfig) -> TrainState:
    """Networks with equal weights, an optimiser at rest, centres at zero."""
    student, teacher = build_student_teacher(config)
    named = student.named_parameters()
    optimizer = AdamW(
        [parameter for _, parameter in named],
        decayed=[decays(name, parameter.shape) for name, parameter in named],
        max_gradient_norm=config.schedule.max_gradient_norm,
    )
    centers = initial_centers(config.projection_head.num_prototypes)
    return TrainState(student=student, teacher=teacher, optimizer=optimizer, centers=centers, step=0)


def train_step(
    state: TrainState, batch: Batch, rates: Rates, config: PretrainConfig
) -> tuple[TrainState, StepOutcome]:
    """One step on a batch, computed in `accumulation_steps` equal parts.

    Every loss term is a mean over images, so the mean of the parts' gradients is the gradient of the
    whole batch; centres move once, by the mean over all parts.
    """
    num_parts = config.schedule.accumulation_steps
    scales = _draw_paths(config, batch, state.step)
    names, parameters = map(list, zip(*state.student.named_parameters(), strict=True))
    gradients, terms, targets = None, [], []
    for index in range(num_parts):
        part = batch.part(index, num_parts)
        targets.append(
            teacher_targets(
                state.teacher, part, state.centers, rates, patches=config.objective.patch_weight > 0
            )
        )
        paths = _paths_of_part(scales, index, num_parts)
        terms.append(hssl_terms(state.student, part, targets[-1], paths, config.objective))
        part_gradients = jt.grad(terms[-1].total / num_parts, parameters)
        gradients = (
            part_gradients
            if gradients is None
            else [a + b for a, b in zip(gradients, part_gradients, strict=True)]
        )
        if num_parts > 1:
            # Run what is queued now: left lazy, every part's activations would live at once.
            jt.sync(gradients)
    frozen = frozenset([names.index("projection_head.prototypes")] if rates.last_layer_frozen else [])
    state.optimizer.step(gradients, lr=rates.lr, weight_decay=rates.weight_decay, frozen=frozen)
    ema_update(
        [parameter for _, parameter in state.teacher.named_parameters()], parameters, rates.ema_momentum
    )
    centers = _updated_centers(state.centers, targets, config)
    return replace(state, centers=centers, step=state.step + 1), StepOutcome(_mean_terms(terms), targets[-1])


def _draw_paths(config: PretrainConfig, batch: Batch, step: int) -> dict[str, np.ndarray]:
    """Stochastic depth of the whole batch: (blocks, branches, V, B) for global and local crops."""
    rng = generator(config.seed, Stream.DROP_PATH, step)
    auxiliary_depth = config.auxiliary_head.depth if config.auxiliary_head else 0
    depth = config.backbone.num_blocks
    rates = path_rates(config.regularisation.drop_path_rate, depth, auxiliary_depth)
    drawn = {}
    for views, crops in (("global", batch.global_crops), ("local", batch.local_crops)):
        num_views, num_images = crops.shape[:2]
        base = path_scales(rng, rates[:depth], 2, num_views * num_images)
        auxiliary = path_scales(rng, rates[depth:], 1, num_views * num_images)
        drawn[f"{views} base"] = base.reshape(*base.shape[:2], num_views, num_images)
        drawn[f"{views} auxiliary"] = auxiliary.reshape(*auxiliary.shape[:2], num_views, num_images)
    return drawn


def _paths_of_part(scales: dict[str, np.ndarray], index: int, num_parts: int) -> Paths:
    def of(views: str) -> PathScales | None:
        base, auxiliary = scales[f"{views} base"], scales[f"{views} auxiliary"]
        if not base.shape[2]:
            return None
        num_views, size = base.shape[2], base.shape[3] // num_parts
        images = slice(index * size, (index + 1) * size)
        base = base[..., images].reshape(*base.shape[:2], num_views * size)
        auxiliary = auxiliary[:, 0, :, images].reshape(len(auxiliary), num_views * size)
        return PathScales(jt.array(base), jt.array(auxiliary) if len(auxiliary) else None)

    return Paths(global_crops=of("global"), local_crops=of("local"))


def _updated_centers(centers: Centers, targets: list[Targets], config: PretrainConfig) -> Centers:
    cls = updated_center(
        centers.cls,
        sum(target.mean_cls_logits for target in targets) / len(targets),
        config.objective.center_momentum,
    )
    patch = centers.patch
    if targets[0].mean_patch_logits is not None:
        patch = updated_center(
            patch,
            sum(target.mean_patch_logits for target in targets) / len(targets),
            config.objective.patch_center_momentum,
        )
    return Centers(cls=cls, patch=patch)


def _mean_terms(terms: list[Terms]) -> Terms:
    def mean(name: str):
        values = [getattr(part, name) for part in terms]
        # A term that still asks for a gradient would keep its whole graph, activations included, alive.
        return None if values[0] is None else (sum(values) / len(values)).stop_grad()

    return Terms(**{name: mean(name) for name in ("total", "base_cls", "auxiliary_cls", "base_patch")})
