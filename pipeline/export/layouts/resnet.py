"""ResNet with timm's names, which are torchvision's too."""

from collections.abc import Mapping

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.export.error import ExportError
from pipeline.export.layouts.timm_base import TimmBase
from pipeline.weights.layouts.resnet import BATCH_NORM_EPS

_STEM_DIM, _STEM_STRIDE = 64, 4  # channels and pixels of timm's only stem
_GROUP_CHANNELS = 16


def timm_resnet(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> TimmBase:
    """See `pipeline.export.layouts.timm_base`.

    Raises:
        ExportError: a stem other than 7 x 7 at stride 2 with 64 channels, and pooling.
    """
    if (config.embed_dim, config.patch_size) != (_STEM_DIM, _STEM_STRIDE):
        raise ExportError(
            f"embed_dim {config.embed_dim} and patch_size {config.patch_size}: the stem of timm's ResNet "
            f"has {_STEM_DIM} and {_STEM_STRIDE} only"
        )
    found = {"conv1.weight": arrays["stem.filters"]}
    norms = {"bn1": "norm_stem"}
    first = 0
    for stage, depth in enumerate(config.depths):
        for index in range(depth):
            ours, theirs = f"blocks.{first + index}.", f"layer{stage + 1}.{index}."
            for conv in range(3 if config.bottleneck else 2):
                found[f"{theirs}conv{conv + 1}.weight"] = arrays[f"{ours}convs.{conv}.filters"]
                norms[f"{theirs}bn{conv + 1}"] = f"{ours}norms.{conv}"
            if f"{ours}shortcut.filters" in arrays:
                found[f"{theirs}downsample.0.weight"] = arrays[f"{ours}shortcut.filters"]
                norms[f"{theirs}downsample.1"] = f"{ours}norm_shortcut"
        first += depth
    for theirs, ours in norms.items():
        found |= {f"{theirs}.{part}": arrays[f"{ours}.{part}"] for part in ("weight", "bias")}
        if config.norm == "batch":
            found |= _statistics(theirs, len(arrays[f"{ours}.weight"]))
    return TimmBase(
        arrays=found,
        architecture="resnet50" if config.bottleneck else "resnet18",
        arguments={"layers": list(config.depths)},
        pool="avg",
        group_channels=None if config.norm == "batch" else _GROUP_CHANNELS,
        notes=()
        if config.norm == "batch"
        else (
            "group norm of 16 channels a group: build the network with "
            f"norm_layer=lambda dim, **given: GroupNorm(dim // {_GROUP_CHANNELS}, dim, **given)",
        ),
    )


def _statistics(theirs: str, dim: int) -> dict[str, np.ndarray]:
    """Statistics with which a batch norm becomes this scale and shift."""
    return {
        f"{theirs}.running_mean": np.zeros(dim, np.float32),
        f"{theirs}.running_var": np.full(dim, 1 - BATCH_NORM_EPS, np.float32),
        f"{theirs}.num_batches_tracked": np.array(0, np.int64),
    }
