"""ConvNeXt with timm's names.

Shapes: C channels of a stage, k x k depthwise filters.
"""

from collections.abc import Mapping

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.export.error import ExportError
from pipeline.export.layouts.stem import filters_by_channel
from pipeline.export.layouts.timm_base import TimmBase
from pipeline.weights.layouts.convnext import TIMM

_STRIDES_TWICE = 2  # with this patch size timm's first stage halves the map again
_MLP_RATIO = 4.0  # of timm's blocks, without an argument to change it


def timm_convnext(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> TimmBase:
    """See `pipeline.export.layouts.timm_base`.

    Raises:
        ExportError: patches of 2 pixels, or MLPs of another width than four times the channels.
    """
    if config.patch_size == _STRIDES_TWICE:
        raise ExportError("patch_size 2: timm's ConvNeXt then has maps of a quarter of the positions")
    if config.mlp_ratio != _MLP_RATIO:
        raise ExportError(f"mlp_ratio {config.mlp_ratio:g}: timm's ConvNeXt has 4 and no argument for it")
    found = {
        f"{TIMM.stem}.weight": filters_by_channel(arrays["stem.patch_embed.weight"], config.patch_size),
        f"{TIMM.stem}.bias": arrays["stem.patch_embed.bias"],
    }
    layers = {TIMM.stem_norm: "stem.norm", TIMM.norm: "norm"}
    first = 0
    for stage, depth in enumerate(config.depths):
        if stage > 0:
            entrance, conv = f"blocks.{first}.entrance.", TIMM.entrance_conv.format(stage)
            layers[TIMM.entrance.format(stage)] = f"{entrance}norm"
            found[f"{conv}.weight"] = filters_by_channel(arrays[f"{entrance}reduce.weight"], 2)
            found[f"{conv}.bias"] = arrays[f"{entrance}reduce.bias"]
        for index in range(depth):
            ours, theirs = f"blocks.{first + index}.", TIMM.block.format(stage, index)
            filters = arrays[f"{ours}conv.weight"]  # (k, k, C)
            found[f"{theirs}{TIMM.conv}.weight"] = filters.transpose(2, 0, 1)[:, None]
            found[f"{theirs}{TIMM.conv}.bias"] = arrays[f"{ours}conv.bias"]
            found[f"{theirs}gamma"] = arrays[f"{ours}layer_scale"]
            layers |= {
                f"{theirs}norm": f"{ours}norm",
                f"{theirs}{TIMM.expand}": f"{ours}mlp.expand",
                f"{theirs}{TIMM.contract}": f"{ours}mlp.contract",
            }
        first += depth
    for theirs, ours in layers.items():
        found |= {f"{theirs}.{part}": arrays[f"{ours}.{part}"] for part in ("weight", "bias")}
    return TimmBase(
        arrays=found,
        architecture="convnext_tiny",
        arguments={
            "patch_size": config.patch_size,
            "dims": list(config.stage_dims),
            "depths": list(config.depths),
            "kernel_sizes": config.kernel_size,
        },
        pool="avg",
        notes=("timm norms after pooling alone: its patches are the map before the final norm",),
    )
