"""Expected time of pretraining on ImageNet-1K: operations of the whole run, divided by a stated rate."""

from dataclasses import dataclass

from pipeline.config.experiment import Experiment
from pipeline.config.stages import PretrainConfig
from pipeline.costs.pretraining import step_operations

IMAGENET_IMAGES = 1_281_167
EPOCHS = 100
# Assumptions, not measurements.
GPU_PEAK_TFLOPS = 312.0  # dense bf16 of an NVIDIA A100, from its data sheet
GPU_SHARE = 0.35  # share of the peak that the training reaches
EIGHT_GPUS_EFFICIENCY = 0.9


@dataclass(frozen=True)
class Cost:
    """Seconds of the whole pretraining."""

    size: str  # of the ViT
    num_local: int
    operations: float
    cpu_seconds: float | None  # None: this machine's rate was not measured
    gpu_seconds: float
    eight_gpus_seconds: float


def imagenet_config(size: str, num_local: int = 0) -> PretrainConfig:
    """The published recipe at 224 pixels, with the ConvNeXt head."""
    experiment = {"name": "imagenet", "backbone": {"size": size}, "crops": {"num_local": num_local}}
    return Experiment.model_validate(experiment).pretrain_config("hssl", seed=0)


def imagenet_cost(size: str, num_local: int, cpu_gflops: float | None) -> Cost:
    """Expected time of `EPOCHS` epochs of ImageNet-1K.

    Args:
        cpu_gflops: speed of a pretraining step on this machine; None: not measured.
    """
    config = imagenet_config(size, num_local)
    total = step_operations(config) * EPOCHS * IMAGENET_IMAGES / config.schedule.batch_size
    gpu = total / (GPU_PEAK_TFLOPS * 1e12 * GPU_SHARE)
    return Cost(
        size=size,
        num_local=num_local,
        operations=total,
        cpu_seconds=None if cpu_gflops is None else total / (cpu_gflops * 1e9),
        gpu_seconds=gpu,
        eight_gpus_seconds=gpu / (8 * EIGHT_GPUS_EFFICIENCY),
    )
