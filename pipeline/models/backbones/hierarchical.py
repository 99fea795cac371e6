"""Base class of hierarchical bases: four stages of blocks, each on half the grid with twice the channels.

Shapes: B images of H x W pixels, strides of p pixels in the first stage and s = 8 p in the last; C channels
of a map, D of the last; h = H / s, N = h w.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.config.backbone import BackboneConfig
from pipeline.models.encoder import ChosenTokens, Tokens
from pipeline.models.input_channels import input_channels
from pipeline.models.layers import LayerNorm, Linear

# (stage, index in it from 0) -> the block; the first block of a stage also downsamples the map.
MakeBlock = Callable[[int, int], nn.Module]


class HierarchicalEncoder(nn.Module, ABC):
    """Stem, blocks, pooled last map; an `Encoder`.

    A base defines its stem (`embed`), its blocks and, if its maps are not (B, h, w, C) inside, their
    conversion (`channels_last`). The first block of a stage also brings the map to the stage's grid and
    channels, so that counts to its layer in layer-wise learning rates; this project's own choice.

    Args:
        mask_dim: channels of the mask token.
        norm: the final norm; None: there is none, and what is described as after it is the map itself.
    """

    attends_with_cls = False

    def __init__(
        self, config: BackboneConfig, make_block: MakeBlock, *, mask_dim: int, norm: nn.Module | None
    ):
        super().__init__()
        self.dim, self.stride, self.grid = config.dim, config.stride, config.grid
        self.depth, self.num_feature_blocks = config.num_blocks, config.num_feature_blocks
        self.tap_dims, self.tap_strides = config.stage_dims, config.stage_strides
        self.last_of_stages = [sum(config.depths[: stage + 1]) - 1 for stage in range(len(config.depths))]
        self.mask_token = jt.zeros((1, mask_dim))
        self.blocks = nn.ModuleList(
            [make_block(stage, index) for stage, depth in enumerate(config.depths) for index in range(depth)]
        )
        self.norm = norm

    @abstractmethod
    def embed(self, images: jt.Var, mask: jt.Var | None) -> jt.Var:
        """images (B, 3, H, W), mask (B, h, w) or None -> the first stage's map, without hidden patches."""

    def channels_last(self, x: jt.Var) -> jt.Var:
        """A map in the blocks' own layout -> (B, h, w, C)."""
        return x

    def pooled(self, feature_map: jt.Var) -> tuple[jt.Var, jt.Var]:
        """The last map (B, h, w, D) -> global vector (B, D) and patches (B, N, D), after the final norm."""
        patches = feature_map.reshape(feature_map.shape[0], -1, feature_map.shape[3])
        patches = patches if self.norm is None else self.norm(patches)
        return kernels.mean_positions(patches), patches

    def execute(
        self, images: jt.Var, mask: jt.Var | None = None, drop_path_scales: jt.Var | None = None
    ) -> Tokens:
        """See `Encoder`."""
        *_, (_, x) = self._maps(images, mask, drop_path_scales)
        feature_map = self.channels_last(x)
        cls, patches = self.pooled(feature_map)
        return Tokens(cls=cls, patches=patches, feature_map=feature_map)

    def chosen_tokens(
        self,
        images: jt.Var,
        chosen: np.ndarray,
        mask: jt.Var | None = None,
        drop_path_scales: jt.Var | None = None,
        *,
        with_map: bool,
    ) -> ChosenTokens:
        """See `Encoder`: the pooled vector needs every position, so that all of them are computed."""
        tokens = self(images, mask, drop_path_scales)
        rows = tokens.patches.reshape(-1, self.dim)
        patches = kernels.gather_rows(rows, jt.array(chosen)) if len(chosen) else None
        return ChosenTokens(tokens.cls, patches, tokens.feature_map if with_map else None)

    def features(self, images: jt.Var, num_blocks: int) -> tuple[jt.Var, jt.Var]:
        """See `Encoder`: each block's map is pooled with the one final norm.

        Only blocks of the last stage have its width. This project's own choice; iBOT's Swin concatenates the
        pooled maps of all stages.
        """
        if not 1 <= num_blocks <= self.num_feature_blocks:
            raise ValueError(
                f"num_blocks must be in 1..{self.num_feature_blocks}, the blocks of the last stage, "
                f"got {num_blocks}"
            )
        vectors = []
        for index, x in self._maps(images, None, None):
            if index >= self.depth - num_blocks:
                vector, patches = self.pooled(self.channels_last(x))
                vectors.append(vector)
        return jt.stack(vectors, dim=1), kernels.mean_positions(patches)

    def taps(self, images: jt.Var, *, normed: bool, drop_path_scales: jt.Var | None = None) -> list[jt.Var]:
        """The last map of every stage: (B, ., ., C), fine to coarse.

        Args:
            normed: the final norm on the last map, and a layer norm without parameters on the other three,
                whose widths it does not fit. For a base without final norm: the maps themselves.

        Source: Swin's and ConvNeXt's detection backbones, which train a norm on every map; the norm without
            parameters is this project's own, so that a frozen backbone is unchanged.
        """
        maps = []
        for index, x in self._maps(images, None, drop_path_scales):
            if index in self.last_of_stages:
                x = self.channels_last(x)
                if normed and self.norm is not None:
                    x = self.norm(x) if index == self.depth - 1 else _standardised(x, self.norm.eps)
                maps.append(x)
        return maps

    def _maps(
        self, images: jt.Var, mask: jt.Var | None, drop_path_scales: jt.Var | None
    ) -> Iterator[tuple[int, jt.Var]]:
        """Index of every block and the map after it.

        Raises:
            ValueError: see `Encoder`.
        """
        batch, _, height, width = images.shape
        if height % self.stride or width % self.stride:
            raise ValueError(
                f"image of {height} x {width} px is not divisible into patches of {self.stride} px"
            )
        expected = (batch, height // self.stride, width // self.stride)
        if mask is not None and tuple(mask.shape) != expected:
            raise ValueError(f"mask has shape {tuple(mask.shape)}, expected {expected}")
        x = self.embed(images, mask)
        for index, block in enumerate(self.blocks):
            x = block(x, None if drop_path_scales is None else drop_path_scales[index])
            yield index, x


class PatchStem(nn.Module):
    """Patches that do not overlap -> channels, with a norm: (B, 3, H, W) -> (B, H / p, W / p, C)."""

    def __init__(self, config: BackboneConfig, eps: float):
        super().__init__()
        self.patch_size, dim = config.patch_size, config.embed_dim
        self.patch_embed = Linear(input_channels(config) * self.patch_size**2, dim)
        self.norm = LayerNorm(dim, eps)

    def execute(self, images: jt.Var) -> jt.Var:
        return self.norm(self.patch_embed(windows_as_channels(images.permute(0, 2, 3, 1), self.patch_size)))


def windows_as_channels(x: jt.Var, side: int) -> jt.Var:
    """(B, H, W, C) -> (B, H / side, W / side, side side C): row, column, channel of each window."""
    batch, height, width, dim = x.shape
    if side == 1:
        return x
    x = x.reshape(batch, height // side, side, width // side, side, dim).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // side, width // side, side * side * dim)


def hidden_positions(mask: jt.Var, side: int) -> jt.Var:
    """(B, h, w) -> (B, side h, side w): every position becomes side x side of a finer grid."""
    batch, height, width = mask.shape
    mask = mask.reshape(batch, height, 1, width, 1).broadcast([batch, height, side, width, side])
    return mask.reshape(batch, side * height, side * width)


def branch_scale(drop_path_scales: jt.Var | None, branch: int, num_dims: int) -> jt.Var | float:
    """The factor of a branch in stochastic depth: (B, 1, ...) of `num_dims` dimensions, or 1."""
    return 1.0 if drop_path_scales is None else drop_path_scales[branch].reshape(-1, *[1] * (num_dims - 1))


def without_hidden(x: jt.Var, mask: jt.Var | None, mask_token: jt.Var) -> jt.Var:
    """x (B, 8 h, 8 w, C) with the token (1, C) where mask (B, h, w) is true."""
    if mask is None:
        return x
    hidden = hidden_positions(mask, x.shape[1] // mask.shape[1]).unsqueeze(-1)
    return kernels.with_token(x, hidden, mask_token.reshape(-1))


def _standardised(x: jt.Var, eps: float) -> jt.Var:
    dim = x.shape[-1]
    return kernels.layer_norm(x, jt.ones((dim,)), jt.zeros((dim,)), eps)
