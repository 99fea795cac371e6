"""Estimates the work of a run relative to other runs of its stage."""

from pipeline.config.experiment import Experiment
from pipeline.costs.multiplications import backbone_multiplications, head_multiplications
from pipeline.transforms.crop_sizes import crops_by_share


def encoder_work(experiment: Experiment, crop_size: int) -> float:
    """Multiplications of one forward pass of one image, in units of 1e6."""
    return backbone_multiplications(experiment.backbone, crop_size) / 1e6


def pretrain_work(experiment: Experiment, auxiliary: bool) -> float:
    """Multiplications of the forward passes of base and head for one image in all epochs, in units of 1e6."""
    per_image = 0.0
    for share, crops in crops_by_share(experiment.crops, experiment.schedule):
        for num, size in ((crops.num_global, crops.global_size), (crops.num_local, crops.local_size)):
            per_image += share * num * backbone_multiplications(experiment.backbone, size)
            if auxiliary:
                head = head_multiplications(experiment.auxiliary_head, experiment.backbone, size)
                per_image += share * num * head
    return experiment.schedule.epochs * per_image / 1e6
