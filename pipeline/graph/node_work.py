"""How much a run of a stage computes, by what it is expected to take beside others of its stage."""

from pipeline.config.experiment import Experiment
from pipeline.costs.multiplications import backbone_multiplications, head_multiplications


def encoder_work(experiment: Experiment, crop_size: int) -> float:
    """Multiplications of one forward pass of one image, in units of 1e6."""
    return backbone_multiplications(experiment.backbone, crop_size) / 1e6


def pretrain_work(experiment: Experiment, auxiliary: bool) -> float:
    """Multiplications of the forward passes of base and head for one image in all epochs, in units of 1e6."""
    crops, small, per_image = experiment.crops, experiment.schedule.small_crops, 0.0
    share = small.share if small else 0.0
    kinds = [((1 - share) * crops.num_global, crops.global_size), (crops.num_local, crops.local_size)]
    if small:
        kinds.append((share * crops.num_global, small.size))
    for num, size in kinds:
        per_image += num * backbone_multiplications(experiment.backbone, size)
        if auxiliary:
            per_image += num * head_multiplications(experiment.auxiliary_head, experiment.backbone, size)
    return experiment.schedule.epochs * per_image / 1e6
