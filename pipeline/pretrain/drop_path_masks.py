"""Stochastic depth of one step, drawn for the whole batch and split into microbatches."""

from dataclasses import dataclass

import jittor as jt
import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.models.drop_path import drop_path_rates, drop_path_scales
from pipeline.models.hssl import DropPathScales
from pipeline.pretrain.batch import Batch
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.training.random_generators import Purpose, generator


@dataclass(frozen=True)
class DropPathMasks:
    """Stochastic depth of the student's passes: of global and of local crops; None: nothing is dropped."""

    global_crops: DropPathScales | None
    local_crops: DropPathScales | None


def draw_drop_path(
    config: PretrainConfig, batch: Batch, step: int, ranks: Ranks = SINGLE_PROCESS
) -> dict[str, np.ndarray]:
    """Stochastic depth of the batch: (blocks, branches, V, B) for global and local crops.

    With several ranks it is drawn for the batch of `ranks.count` B images, and returned for this rank's.
    """
    rng = generator(config.seed, Purpose.DROP_PATH, step)
    auxiliary_depth = config.auxiliary_head.depth if config.auxiliary_head else 0
    depth = config.backbone.num_blocks
    rates = drop_path_rates(config.regularisation.drop_path_rate, depth, auxiliary_depth)
    drawn = {}
    for views, crops in (("global", batch.global_crops), ("local", batch.local_crops)):
        num_views, num_images = crops.shape[0], ranks.count * crops.shape[1]
        share = ranks.share(num_images)
        base = drop_path_scales(rng, rates[:depth], 2, num_views * num_images)
        auxiliary = drop_path_scales(rng, rates[depth:], 1, num_views * num_images)
        for part, scales in (("base", base), ("auxiliary", auxiliary)):
            of_all = scales.reshape(*scales.shape[:2], num_views, num_images)
            drawn[f"{views} {part}"] = of_all[..., share]
    return drawn


def microbatch_drop_path(scales: dict[str, np.ndarray], index: int, num_microbatches: int) -> DropPathMasks:
    """The part of `draw_drop_path`'s result for microbatch `index` of `num_microbatches`.

    None in place of factors that are all 1: no operator multiplies by them.
    """

    def of(views: str) -> DropPathScales | None:
        base, auxiliary = scales[f"{views} base"], scales[f"{views} auxiliary"]
        if (base == 1).all() and (auxiliary == 1).all():  # as those of no views are
            return None
        num_views, size = base.shape[2], base.shape[3] // num_microbatches
        images = slice(index * size, (index + 1) * size)
        base = base[..., images].reshape(*base.shape[:2], num_views * size)
        auxiliary = auxiliary[:, 0, :, images].reshape(len(auxiliary), num_views * size)
        return DropPathScales(jt.array(base), jt.array(auxiliary) if len(auxiliary) else None)

    return DropPathMasks(global_crops=of("global"), local_crops=of("local"))
