"""Base class of auxiliary heads: blocks over the backbone's feature map, pooled into a CLS vector.

Shapes: B images, (h, w) grid of patches, D width of the backbone, channels last.
"""

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Protocol

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.kinds import BLOCKS
from pipeline.models.layers import LayerNorm


@dataclass(frozen=True)
class FeatureMap:
    """The base's last feature map, which the head reads."""

    dim: int  # D
    grid: tuple[int, int]  # (h, w) of a global crop; local crops may have another
    num_heads: int  # of the backbone's attention; the default for attention in the head


class BlockClass(Protocol):
    """The interface of a block: `Block(config, feature_map, index)(x, path_scale)`."""

    def __call__(self, config: AuxiliaryHeadConfig, feature_map: FeatureMap, index: int) -> nn.Module: ...


class PooledBlock(nn.Module):
    """Base class of blocks that give the mean over positions of their output for less than the output."""

    def pooled(self, x: jt.Var, path_scale: jt.Var | None = None) -> jt.Var:
        """x (B, h, w, D), path_scale (B,) -> mean over positions of the block's output (B, D)."""
        raise NotImplementedError


class AuxiliaryHead(nn.Module):
    """Feature map (B, h, w, D) of the backbone -> auxiliary CLS vector (B, D).

    Blocks at the backbone's width and resolution, then global average pooling and layer norm.

    Source: HSSL released code (vision_transformer_hssl), there with ConvNeXt blocks. Its patch outputs have
    no loss there, so they are not projected here. Other kinds of blocks: this project's own choice.
    """

    def __init__(self, block: BlockClass, config: AuxiliaryHeadConfig, feature_map: FeatureMap):
        super().__init__()
        self.blocks = nn.ModuleList([block(config, feature_map, index) for index in range(config.depth)])
        self.norm = LayerNorm(feature_map.dim, 1e-6)

    def execute(self, feature_map: jt.Var, drop_path_scales: jt.Var | None = None) -> jt.Var:
        """drop_path_scales: (depth, B) float32 or None."""
        last = len(self.blocks) - 1
        if not isinstance(self.blocks[last], PooledBlock):
            return self.norm(mean_over_map(self.mixed(feature_map, drop_path_scales)))
        x = self._after(last, feature_map, drop_path_scales)
        scale = None if drop_path_scales is None else drop_path_scales[last]
        return self.norm(self.blocks[last].pooled(x, scale))

    def mixed(self, feature_map: jt.Var, drop_path_scales: jt.Var | None = None) -> jt.Var:
        """The head's own map (B, h, w, D), before pool and norm."""
        return self._after(len(self.blocks), feature_map, drop_path_scales)

    def _after(self, num_blocks: int, x: jt.Var, drop_path_scales: jt.Var | None) -> jt.Var:
        """The map after so many blocks."""
        for index in range(num_blocks):
            x = self.blocks[index](x, None if drop_path_scales is None else drop_path_scales[index])
        return x


def auxiliary_head(config: AuxiliaryHeadConfig, feature_map: FeatureMap) -> AuxiliaryHead:
    """The head of `config`, at the width and on the grid of `feature_map`."""
    return AuxiliaryHead(resolve_name(BLOCKS[config.kind].block), config, feature_map)


def mean_over_map(x: jt.Var) -> jt.Var:
    """(B, h, w, D) -> (B, D)."""
    return kernels.mean_positions(positions(x))


def positions(x: jt.Var) -> jt.Var:
    """(B, h, w, D) -> (B, h w, D)."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


def joined(x: jt.Var, branch: jt.Var, *, shortcut: bool, path_scale: jt.Var | None) -> jt.Var:
    """x + path_scale branch with a shortcut, else the branch alone, which is never dropped.

    Args:
        x, branch: (B, h, w, D).
        path_scale: (B,) or None, see `pipeline.models.drop_path`.
    """
    if not shortcut:
        return branch
    if path_scale is None:  # as positions, whose sum every training compiles
        return (positions(x) + positions(branch)).reshape(x.shape)
    return x + branch * path_scale.reshape(-1, 1, 1, 1)
