"""Progressive resizing: smaller crops in the first steps of pretraining, if the schedule sets it."""

from pipeline.config.data import CropConfig
from pipeline.config.stages import ScheduleConfig


def crops_by_share(crops: CropConfig, schedule: ScheduleConfig) -> list[tuple[float, CropConfig]]:
    """The successive settings of the crops, each with its share of the steps.

    Source: Touvron et al. 2019 and Howard's progressive resizing, for supervised training; the rule here, one
        change of size after a share of the steps, is this project's own.
    """
    small = schedule.small_crops
    if small is None:
        return [(1.0, crops)]
    return [(small.share, crops.model_copy(update={"global_size": small.size})), (1 - small.share, crops)]


def crops_of_step(crops: CropConfig, schedule: ScheduleConfig, step: int, num_steps: int) -> CropConfig:
    """The crop settings of a step; steps count from 0."""
    (share, first), *_ = by_share = crops_by_share(crops, schedule)
    return first if step < round(share * num_steps) else by_share[-1][1]
