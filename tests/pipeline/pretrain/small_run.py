"""A small configuration, a batch and a measure of error, for tests with and without PyTorch."""

from dataclasses import replace

import numpy as np

from pipeline.config.data import MaskConfig
from pipeline.config.methods import MethodSection
from pipeline.config.stages import PretrainConfig
from pipeline.doctor.answers.fixed_training import SMALL_NETWORK
from pipeline.pretrain.methods.settings import ByolConfig, MaeConfig, MocoV3Config, SimclrConfig

SMALL_METHODS: dict[str, MethodSection] = {
    "mocov3": MocoV3Config(hidden_dim=20, out_dim=12),
    "simclr": SimclrConfig(hidden_dim=20, out_dim=12),
    "byol": ByolConfig(hidden_dim=20, out_dim=12),
    "mae": MaeConfig(decoder_dim=16, decoder_depth=1, decoder_heads=2, auxiliary_weight=0.7),
}


def small_config(**changes) -> PretrainConfig:
    values = {
        **SMALL_NETWORK,
        "objective": {"cls_weight": 0.8, "patch_weight": 1.3},
        "regularisation": {"drop_path_rate": 0.3},
        "crops": {"global_size": 24, "local_size": 12, "num_local": 2},
        "masks": {},
        "schedule": {
            "epochs": 5,
            "batch_size": 4,
            "base_lr": 0.3,
            "warmup_epochs": 0,
            "freeze_last_layer_epochs": 0,
        },
        "normalization": "imagenet",
        "seed": 3,
    }
    return PretrainConfig.model_validate(values | changes)


def a_batch(config, rng, num_images=4):
    from pipeline.pretrain.batch import Batch

    side, small = config.crops.global_size, config.crops.local_size
    masks = rng.random((2, num_images, *config.backbone.grid)) < 0.4
    masks[0, 0] = False  # a crop without hidden patches adds 0 to the loss
    return Batch(
        global_crops=rng.normal(size=(2, num_images, 3, side, side)).astype(np.float32),
        local_crops=rng.normal(size=(config.crops.num_local, num_images, 3, small, small)).astype(np.float32),
        masks=masks,
    )


def config_of_method(name: str, *, head: bool, **changes) -> PretrainConfig:
    """A method other than iBOT, at toy size, with its own masks."""
    method = SMALL_METHODS[name]
    own = {
        "method": method,
        "auxiliary_head": {"depth": 3, "kernel_size": 3} if head else None,
        "crops": {"global_size": 24, "num_local": 0},
        "masks": method.masks_taken(MaskConfig()),
    }
    return small_config(**own | changes)


def a_batch_of_method(config, rng, num_images=4):
    """Crops, and masks as set by the configuration."""
    from pipeline.transforms.block_mask import block_masks

    batch = a_batch(config, rng, num_images)
    grid = config.backbone.grid
    masks = block_masks(rng, 2 * num_images, grid, config.masks).reshape(2, num_images, *grid)
    return replace(batch, masks=masks)


def relative_error(found, expected) -> float:
    """Norm of the difference over the norm of the expected tensor: Adam divides by the root of the second
    moment, so a single entry whose gradient is near 0 may differ more."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-12))


def without_key_bias(name: str, value: np.ndarray) -> np.ndarray:
    """Softmax ignores a shift of all keys, so the true gradient of the key bias is 0 and Adam makes
    steps of full size out of the rounding noise: the one entry where two correct programs differ."""
    if not name.endswith("qkv.bias"):
        return value
    query, _, values = value.reshape(3, -1)
    return np.concatenate([query, values])
