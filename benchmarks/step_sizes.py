"""Sizes at which the pretraining step is measured, as sections of an experiment."""

from typing import Any

from pipeline.config.experiment import Experiment
from pipeline.config.stages import PretrainConfig

# Batch sizes are in images per optimiser step; each image has two global crops, with masks.
STEP_SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "backbone": {"size": "tiny", "image_size": 32, "patch_size": 4},
        "crops": {"global_size": 32},
        "projection_head": {"num_prototypes": 1024},
        "schedule": {"batch_size": 64},
    },
    "quickstart": {
        "backbone": {
            "size": "custom", "image_size": 32, "patch_size": 8, "embed_dim": 96, "depth": 3, "num_heads": 3
        },
        "auxiliary_head": {"kernel_size": 3},
        "projection_head": {"hidden_dim": 256, "bottleneck_dim": 64, "num_prototypes": 256},
        "regularisation": {"drop_path_rate": 0.0},
        "crops": {"global_size": 32},
        "schedule": {"batch_size": 64},
    },
    "vit-small": {
        "backbone": {"size": "small", "image_size": 224, "patch_size": 16},
        "crops": {"global_size": 224},
        "projection_head": {"num_prototypes": 8192},
        "schedule": {"batch_size": 8},
    },
    "vit-base": {
        "backbone": {"size": "base", "image_size": 224, "patch_size": 16},
        "crops": {"global_size": 224},
        "projection_head": {"num_prototypes": 8192},
        "schedule": {"batch_size": 8},
    },
    # For tests, and for the growth of memory over thousands of steps.
    "toy": {
        "backbone": {
            "size": "custom", "image_size": 16, "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 2
        },
        "crops": {"global_size": 16},
        "projection_head": {"hidden_dim": 64, "bottleneck_dim": 16, "num_prototypes": 64},
        "schedule": {"batch_size": 4},
    },
}  # fmt: skip


def step_config(size: str, changes: dict[str, dict[str, Any]] | None = None) -> PretrainConfig:
    """HSSL with a ConvNeXt head of three blocks at one of the sizes.

    Without warm-up and frozen last layer, so that the first step updates every parameter.

    Args:
        size: a key of `STEP_SIZES`.
        changes: section -> options that differ.
    """
    schedule = {"warmup_epochs": 0, "freeze_last_layer_epochs": 0, "epochs": 1}
    sections = {section: dict(options) for section, options in STEP_SIZES[size].items()}
    sections["schedule"] |= schedule
    sections["features"] = {"crop_size": sections["crops"]["global_size"], "num_blocks": 1}
    sections["linear"] = {"num_blocks": 1}
    for section, options in (changes or {}).items():
        sections.setdefault(section, {}).update(options)
    return Experiment.model_validate({"name": "benchmark", **sections}).pretrain_config("hssl", seed=0)
