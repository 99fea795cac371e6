"""Swin with timm's names."""

from collections.abc import Mapping

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.export.error import ExportError
from pipeline.export.layouts.stem import filters_by_channel
from pipeline.export.layouts.timm_base import TimmBase

_LAYERS = {  # of a block: ours -> timm's
    "norm_attention": "norm1",
    "attention.qkv": "attn.qkv",
    "attention.out": "attn.proj",
    "norm_mlp": "norm2",
    "mlp.expand": "mlp.fc1",
    "mlp.contract": "mlp.fc2",
}
_TABLE = "relative_position_bias"


def timm_swin(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> TimmBase:
    """See `pipeline.export.layouts.timm_base`.

    Raises:
        ExportError: windows do not divide a map. Positions beyond the edge are masked here; in timm they are
            zeros that attract attention.
    """
    _check_windows(config)
    found = {
        "patch_embed.proj.weight": filters_by_channel(arrays["stem.patch_embed.weight"], config.patch_size),
        "patch_embed.proj.bias": arrays["stem.patch_embed.bias"],
    }
    for part in ("weight", "bias"):
        found[f"patch_embed.norm.{part}"] = arrays[f"stem.norm.{part}"]
        found[f"norm.{part}"] = arrays[f"norm.{part}"]
    first = 0
    for stage, depth in enumerate(config.depths):
        if stage > 0:
            ours, theirs = f"blocks.{first}.entrance.", f"layers.{stage}.downsample."
            found[f"{theirs}reduction.weight"] = _by_columns(arrays[f"{ours}weight"])
            for part in ("weight", "bias"):
                found[f"{theirs}norm.{part}"] = _by_columns(arrays[f"{ours}norm.{part}"])
        for index in range(depth):
            ours, theirs = f"blocks.{first + index}.", f"layers.{stage}.blocks.{index}."
            found[f"{theirs}attn.{_TABLE}_table"] = arrays[f"{ours}attention.{_TABLE}"]
            for layer, name in _LAYERS.items():
                for part in ("weight", "bias"):
                    found[f"{theirs}{name}.{part}"] = arrays[f"{ours}{layer}.{part}"]
        first += depth
    return TimmBase(
        arrays=found,
        architecture="swin_tiny_patch4_window7_224",
        arguments={
            "img_size": config.image_size,
            "patch_size": config.patch_size,
            "embed_dim": config.embed_dim,
            "depths": list(config.depths),
            "num_heads": [config.num_heads * 2**stage for stage in range(len(config.depths))],
            "mlp_ratio": config.mlp_ratio,
            "window_size": config.window_size,
        },
        pool="avg",
    )


def _check_windows(config: BackboneConfig) -> None:
    for stage, stride in enumerate(config.stage_strides):
        side = config.image_size // stride
        if side % min(config.window_size, side):
            raise ExportError(
                f"the map of stage {stage + 1} has {side} x {side} positions, which windows of "
                f"{config.window_size} do not divide: timm's Swin computes something else there"
            )


def _by_columns(array: np.ndarray) -> np.ndarray:
    """Swap the middle two of 2 x 2 positions, which are row by row here and column by column in timm."""
    return array.reshape(*array.shape[:-1], 4, -1)[..., [0, 2, 1, 3], :].reshape(array.shape)
