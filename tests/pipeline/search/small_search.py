"""A small joint training: three candidates of different kinds and depths on the base of `small_config`."""

from pipeline.config.studies import JointTrainingConfig
from tests.pipeline.pretrain.small_run import small_config

CANDIDATES = {
    "convnext": {"depth": 3, "kernel_size": 3},
    "mixer": {"kind": "mixer", "depth": 1},
    "vit": {"kind": "vit", "depth": 2},
}


def small_search(candidates=CANDIDATES, **changes) -> JointTrainingConfig:
    config = {"pretrain": small_config(**changes).model_dump(), "candidates": candidates}
    return JointTrainingConfig.model_validate(config)
