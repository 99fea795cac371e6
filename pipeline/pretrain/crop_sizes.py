"""Crops of the step: smaller ones first, where the schedule says so."""

from pipeline.config.data import CropConfig
from pipeline.config.stages import PretrainConfig


def crops_of_step(config: PretrainConfig, step: int, num_steps: int) -> CropConfig:
    """The settings of a step's crops; steps count from 0.

    Source: Touvron et al. 2019 and Howard's progressive resizing, for supervised training; the rule here, one
        change of size after a share of the steps, is this project's own.
    """
    small = config.schedule.small_crops
    if small is None or step >= round(small.share * num_steps):
        return config.crops
    return config.crops.model_copy(update={"global_size": small.size})
