"""Counts images and floating-point operations per repeat of a row. Imports neither framework."""

from typing import Any

from benchmarks.dense_sizes import NUM_CLASSES, dense_experiment
from benchmarks.step_inputs import step_batches
from benchmarks.step_sizes import step_config
from pipeline.costs.decoders import segmentation_multiplications
from pipeline.costs.multiplications import backbone_multiplications, embedding_multiplications
from pipeline.costs.pretraining import step_operations
from pipeline.costs.probes import search_operations, sweep_operations
from pipeline.evaluate.probes.settings import LinearConfig

SEARCH_SIZES = {"queries": 10_000, "bank": 50_000, "channels": 384, "k": 20}
SWEEP_SIZES = {"images": 50_000, "channels": 1536, "classes": 20, "epochs": 1}
# `files`: load JPEG files with every core; else images in memory with one thread.
CROP_SIZES = {
    "images": 64, "batch": 16, "global_size": 224, "local_size": 96, "num_local": 6, "files": False
}  # fmt: skip


def steps_operations(parameters: dict[str, Any]) -> float:
    """Operations of pretraining steps, for the mean number of hidden patches in the measured batches."""
    config = step_config(parameters["size"], parameters.get("changes"))
    batches = step_batches(config)
    hidden = sum(int(batch.masks.sum()) for batch in batches) / len(batches)
    return parameters.get("steps", 1) * step_operations(config, hidden)


def step_images(parameters: dict[str, Any]) -> float:
    """Number of images in pretraining steps."""
    config = step_config(parameters["size"], parameters.get("changes"))
    return config.schedule.batch_size * parameters.get("steps", 1)


def search_flops(parameters: dict[str, Any]) -> float:
    """Operations for the similarities of every query with every bank row."""
    sizes = SEARCH_SIZES | parameters
    return search_operations(sizes["queries"], sizes["bank"], sizes["channels"])


def sweep_flops(parameters: dict[str, Any]) -> float:
    """Operations for the logits and weight gradients of every image, class and learning rate."""
    sizes = SWEEP_SIZES | parameters
    return sweep_operations(
        sizes["images"],
        sizes["channels"],
        num_classes=sizes["classes"],
        num_rates=len(LinearConfig().base_lrs),
        epochs=sizes["epochs"],
    )


def crops_per_core(parameters: dict[str, Any]) -> float:
    """Number of images per core, if all cores load together."""
    sizes = CROP_SIZES | parameters
    return sizes["images"] / (parameters["threads"] if sizes["files"] else 1)


def dense_images(parameters: dict[str, Any]) -> float:
    """Number of images in a step of segmentation or detection."""
    return getattr(dense_experiment(parameters), parameters["task"]).schedule.batch_size


def segmentation_flops(parameters: dict[str, Any]) -> float:
    """Operations of a step of segmentation with UPerNet and a base that is trained too."""
    experiment = dense_experiment(parameters)
    config, backbone = experiment.segmentation.stage_config("uper-finetuned", seed=0), experiment.backbone
    side = config.view.crop_size
    decoder = segmentation_multiplications(
        config.heads, config.head, backbone, side**2, num_classes=NUM_CLASSES
    )
    # The gradient of the images is not computed.
    both_passes = 3 * (backbone_multiplications(backbone, side) + decoder)
    return 2 * config.schedule.batch_size * (both_passes - embedding_multiplications(backbone, side))
