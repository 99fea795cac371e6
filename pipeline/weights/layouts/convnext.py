"""ConvNeXt with timm's names or with its authors' names.

Shapes: C channels of a stage, k x k depthwise filters.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.weights.layouts.converted import Converted, Known, checked_config, count, mlp_ratio
from pipeline.weights.layouts.stem import columns_by_position, patch_side
from pipeline.weights.tensors import Tensors

_STAGES = 4
_IMAGE_SIZE = 224  # default, in pixels: convolutions do not determine it


@dataclass(frozen=True)
class ConvNextNames:
    """The names of a ConvNeXt's parts in one project."""

    stem: str  # the convolution
    stem_norm: str
    entrance: str  # the norm before the downsampling into stage {}
    entrance_conv: str  # its convolution
    block: str  # prefix of block {1} of stage {0}
    conv: str
    expand: str
    contract: str
    norm: str  # the final one


TIMM = ConvNextNames(
    stem="stem.0",
    stem_norm="stem.1",
    entrance="stages.{}.downsample.0",
    entrance_conv="stages.{}.downsample.1",
    block="stages.{}.blocks.{}.",
    conv="conv_dw",
    expand="mlp.fc1",
    contract="mlp.fc2",
    norm="head.norm",
)
AUTHORS = ConvNextNames(
    stem="downsample_layers.0.0",
    stem_norm="downsample_layers.0.1",
    entrance="downsample_layers.{}.0",
    entrance_conv="downsample_layers.{}.1",
    block="stages.{}.{}.",
    conv="dwconv",
    expand="pwconv1",
    contract="pwconv2",
    norm="norm",
)
_REFUSED = {r".*\.grn\..*": "response normalisation of ConvNeXt V2"}


def read_convnext(tensors: Tensors, known: Known) -> Converted:
    """See `_read`."""
    return _read(tensors, known, TIMM)


def read_original_convnext(tensors: Tensors, known: Known) -> Converted:
    """See `_read`."""
    return _read(tensors, known, AUTHORS)


def _read(tensors: Tensors, known: Known, names: ConvNextNames) -> Converted:
    """Convert a ConvNeXt; its sizes follow from the tensors' shapes."""
    tensors.refuse(_REFUSED)
    dim, side = patch_side(tensors, f"{names.stem}.weight")
    depths = tuple(
        count(tensors, names.block.format(stage, "{}") + "norm.weight") for stage in range(_STAGES)
    )
    block = names.block.format(0, 0)
    config = checked_config(
        tensors,
        kind="convnext",
        image_size=known.image_size or _IMAGE_SIZE,
        patch_size=side,
        embed_dim=dim,
        depths=depths,
        mlp_ratio=mlp_ratio(tensors, f"{block}{names.expand}.weight", dim),
        kernel_size=tensors.shape(f"{block}{names.conv}.weight", 4)[-1],
    )
    arrays = _convolution(tensors, names.stem, "stem.patch_embed", (dim, 3, side, side))
    arrays |= _norm(tensors, names.stem_norm, "stem.norm", dim)
    arrays |= _norm(tensors, names.norm, "norm", config.dim)
    first = 0
    for stage, depth in enumerate(depths):
        dim, before = config.stage_dims[stage], config.stage_dims[max(stage - 1, 0)]
        if stage > 0:
            entrance = f"blocks.{first}.entrance."
            arrays |= _norm(tensors, names.entrance.format(stage), f"{entrance}norm", before)
            theirs = names.entrance_conv.format(stage)
            arrays |= _convolution(tensors, theirs, f"{entrance}reduce", (dim, before, 2, 2))
        for index in range(depth):
            theirs, ours = names.block.format(stage, index), f"blocks.{first + index}."
            arrays |= _block(tensors, names, theirs, ours, config, dim)
        first += depth
    tensors.ignore({r"head\..*": "heads"})
    return Converted(config, arrays)


def _block(
    tensors: Tensors, names: ConvNextNames, theirs: str, ours: str, config: BackboneConfig, dim: int
) -> dict[str, np.ndarray]:
    hidden, side = int(dim * config.mlp_ratio), config.kernel_size
    filters = tensors.take(f"{theirs}{names.conv}.weight", (dim, 1, side, side))
    return {
        f"{ours}conv.weight": filters[:, 0].transpose(1, 2, 0),  # (k, k, C)
        f"{ours}conv.bias": tensors.take(f"{theirs}{names.conv}.bias", (dim,)),
        **_norm(tensors, f"{theirs}norm", f"{ours}norm", dim),
        **_linear(tensors, f"{theirs}{names.expand}", f"{ours}mlp.expand", hidden, dim),
        **_linear(tensors, f"{theirs}{names.contract}", f"{ours}mlp.contract", dim, hidden),
        f"{ours}layer_scale": tensors.take(f"{theirs}gamma", (dim,), (dim, 1, 1)).reshape(dim),
    }


def _norm(tensors: Tensors, theirs: str, ours: str, dim: int) -> dict[str, np.ndarray]:
    return {f"{ours}.{part}": tensors.take(f"{theirs}.{part}", (dim,)) for part in ("weight", "bias")}


def _linear(tensors: Tensors, theirs: str, ours: str, out_dim: int, in_dim: int) -> dict[str, np.ndarray]:
    weight = tensors.take(f"{theirs}.weight", (out_dim, in_dim))
    return {f"{ours}.weight": weight, f"{ours}.bias": tensors.take(f"{theirs}.bias", (out_dim,))}


def _convolution(tensors: Tensors, theirs: str, ours: str, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    weight = columns_by_position(tensors.take(f"{theirs}.weight", shape))
    return {f"{ours}.weight": weight, f"{ours}.bias": tensors.take(f"{theirs}.bias", shape[:1])}
