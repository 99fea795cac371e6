"""Inputs of every measured step: the same batches, rates and stochastic depth (NumPy only)."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors import safe_open

from pipeline.config.stages import PretrainConfig
from pipeline.models.drop_path import drop_path_rates, drop_path_scales
from pipeline.optim.schedules import Rates, Schedule
from pipeline.pretrain.batch import Batch
from pipeline.training.random_generators import Purpose, generator
from pipeline.transforms.block_mask import block_masks

NUM_BATCHES = 4  # used in turn, as the number of hidden patches differs between them
WEIGHTS = "weights.safetensors"  # written by the project's step, read by the others
_IMAGES_PER_EPOCH = 100_000


def step_batches(config: PretrainConfig) -> list[Batch]:
    """Batches of noise with block masks; the duration of a step does not depend on the pixels."""
    size, images = config.crops.global_size, config.schedule.batch_size
    side = size // config.backbone.patch_size
    batches = []
    for index in range(NUM_BATCHES):
        pixels = generator(config.seed, Purpose.CROPS, index)
        shape = (config.crops.num_global, images, 3, size, size)
        masks = block_masks(
            generator(config.seed, Purpose.MASKS, index), shape[0] * images, (side, side), config.masks
        )
        batches.append(
            Batch(
                global_crops=pixels.standard_normal(shape, np.float32),
                local_crops=np.zeros((0, images, 3, size, size), np.float32),
                masks=masks.reshape(shape[0], images, side, side),
            )
        )
    return batches


def step_rates(config: PretrainConfig) -> Rates:
    """The rates of every measured step: those of the first one."""
    return Schedule(config.schedule, config.objective, num_images=_IMAGES_PER_EPOCH).at(0)


def distance_from(path: Path, arrays: Iterable[tuple[str, np.ndarray]]) -> float:
    """Euclidean distance of all parameters from those in a file.

    Read tensor by tensor, as a copy of the whole network would count as memory of the step.
    """
    with safe_open(path, framework="numpy") as stream:
        squares = [
            np.square(array - stream.get_tensor(name), dtype=np.float64).sum() for name, array in arrays
        ]
    return float(np.sqrt(sum(squares)))


def drawn_drop_path(config: PretrainConfig, batch: Batch, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Stochastic depth of the student at a step, drawn as in `pipeline.pretrain.step`.

    Returns:
        (depth, 2, V B) for the backbone and (head's depth, V B) for the head.
    """
    rng = generator(config.seed, Purpose.DROP_PATH, step)
    depth = config.backbone.depth
    rates = drop_path_rates(config.regularisation.drop_path_rate, depth, config.auxiliary_head.depth)
    num_crops = batch.masks.shape[0] * batch.masks.shape[1]
    base = drop_path_scales(rng, rates[:depth], 2, num_crops)
    return base, drop_path_scales(rng, rates[depth:], 1, num_crops)[:, 0]
