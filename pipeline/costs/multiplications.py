"""Multiplications of forward passes, from the configuration alone; all other counts build on these.

Symbols: a feature map has n positions of D channels. A product with an (a, b) matrix counts a b for each row;
norms, activations, softmax, pooling, sums and the resampling of a position embedding count nothing.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from pipeline.config.backbone import BackboneConfig
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.kinds import BLOCKS
from pipeline.models.input_channels import input_channels


def backbone_multiplications(config: BackboneConfig, size: int) -> float:
    """Multiplications of the base for one image of size x size pixels."""
    return _BACKBONES[config.kind](config, size)


def head_multiplications(head: AuxiliaryHeadConfig, backbone: BackboneConfig, size: int) -> float:
    """Multiplications of the auxiliary head on the last feature map of one image of size x size pixels."""
    side = size / backbone.stride
    return head.depth * BLOCKS[head.kind].multiplications(head, side, backbone)


def embedding_multiplications(config: BackboneConfig, size: int) -> float:
    """Multiplications of the base's first layer for one image of size x size pixels.

    They are counted apart because a backward pass computes no gradient of the image.
    """
    channels = input_channels(config)
    if config.kind == "resnet":
        kernel, stride = (3, 1) if config.patch_size == 1 else (7, 2)
        return (size / stride) ** 2 * kernel**2 * channels * config.embed_dim
    return channels * size**2 * config.embed_dim  # of patches that do not overlap, whatever their side


def blocks_multiplications(tokens: float, dim: int, *, depth: int, mlp_ratio: float) -> float:
    """Multiplications of transformer blocks with global attention.

    For each of T tokens: 4 D^2 + 2 T D for the attention, and 2 mlp_ratio D^2 for the MLP.
    """
    return depth * tokens * ((4 + 2 * mlp_ratio) * dim**2 + 2 * tokens * dim)


def dense_multiplications(widths: Sequence[int]) -> float:
    """Multiplications of one vector through linear layers of these widths, the input's first."""
    return float(sum(a * b for a, b in pairwise(widths)))


def _vit(config: BackboneConfig, size: int) -> float:
    tokens = (size / config.patch_size) ** 2 + 1 + (config.register_tokens or 0)
    blocks = blocks_multiplications(tokens, config.embed_dim, depth=config.depth, mlp_ratio=config.mlp_ratio)
    return embedding_multiplications(config, size) + blocks


def _swin(config: BackboneConfig, size: int) -> float:
    def block(n: float, dim: int, side: float) -> float:
        seen = min(config.window_size, side) ** 2
        return n * ((4 + 2 * config.mlp_ratio) * dim**2 + 2 * seen * dim)

    return embedding_multiplications(config, size) + _sum_of_stages(config, size, block)


def _convnext(config: BackboneConfig, size: int) -> float:
    def block(n: float, dim: int, side: float) -> float:
        return n * (config.kernel_size**2 * dim + 2 * config.mlp_ratio * dim**2)

    return embedding_multiplications(config, size) + _sum_of_stages(config, size, block)


def _sum_of_stages(config: BackboneConfig, size: int, block: Callable[[float, int, float], float]) -> float:
    """Multiplications of the blocks of all stages, and of the patch merging before the last three.

    Merging maps 4 positions of half the channels to one.
    """
    total = 0.0
    for stage, (depth, dim, stride) in enumerate(
        zip(config.depths, config.stage_dims, config.stage_strides, strict=True)
    ):
        n = (size / stride) ** 2
        total += depth * block(n, dim, size / stride) + (2 * n * dim**2 if stage else 0)
    return total


def _resnet(config: BackboneConfig, size: int) -> float:
    total, in_dim = embedding_multiplications(config, size), config.embed_dim
    for stage, (depth, dim) in enumerate(zip(config.depths, config.stage_dims, strict=True)):
        n = (size / config.stage_strides[stage]) ** 2
        before = 4 * n if stage else n  # positions that the stage's first block reads
        inner = dim // 4
        if config.bottleneck:
            first = before * in_dim * inner + n * (9 * inner**2 + inner * dim)
            later = n * (2 * dim * inner + 9 * inner**2)
        else:
            first, later = n * 9 * (in_dim * dim + dim**2), n * 18 * dim**2
        shortcut = n * in_dim * dim if stage or in_dim != dim else 0
        total += first + shortcut + (depth - 1) * later
        in_dim = dim
    return total


_BACKBONES: dict[str, Callable[[BackboneConfig, int], float]] = {
    "vit": _vit,
    "swin": _swin,
    "convnext": _convnext,
    "resnet": _resnet,
}
