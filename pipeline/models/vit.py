"""Vision Transformer: image -> CLS token and patch tokens.

Shapes: B images of C channels, H image side in pixels, p patch side in pixels, h = H / p, N = h w patches, D
embed_dim, R register tokens. Tokens are CLS, registers, patches.
"""

from functools import lru_cache

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.config.backbone import BackboneConfig
from pipeline.models.encoder import ChosenTokens, Tokens
from pipeline.models.input_channels import input_channels
from pipeline.models.layers import LayerNorm, Linear, Mlp
from pipeline.weights.position_grid import grid_resampling

_EPS = 1e-6


class Attention(nn.Module):
    """Multi-head self-attention with biased q, k, v."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Linear(dim, 3 * dim)
        self.out = Linear(dim, dim)

    def execute(self, x: jt.Var, norm: LayerNorm | None = None) -> jt.Var:
        """x (B, N, D) -> same shape; after a layer norm if one is given."""
        return self.out(kernels.attention(self.qkv(x, norm), self.num_heads))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float):
        super().__init__()
        self.norm_attention = LayerNorm(dim, _EPS)
        self.attention = Attention(dim, num_heads)
        self.norm_mlp = LayerNorm(dim, _EPS)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), dim)

    def execute(self, x: jt.Var, drop_path_scales: jt.Var | None = None) -> jt.Var:
        """x (B, N + 1, D); drop_path_scales (2, B): stochastic depth's factors of the two branches."""
        return kernels.transformer_block(
            x, self._weights(), self.attention.num_heads, self.norm_attention.eps, drop_path_scales
        )

    def of_rows(self, x: jt.Var, rows: jt.Var, drop_path_scales: jt.Var | None = None) -> jt.Var:
        """The rows (P,) of the block's (B (N + 1), D) output: (P, D)."""
        return kernels.transformer_block_rows(
            x, rows, self._weights(), self.attention.num_heads, self.norm_attention.eps, drop_path_scales
        )

    def _weights(self) -> kernels.BlockWeights:
        layers = self.norm_attention, self.attention.qkv, self.attention.out, self.norm_mlp
        layers += self.mlp.expand, self.mlp.contract
        return kernels.BlockWeights(*(value for layer in layers for value in (layer.weight, layer.bias)))


class VisionTransformer(nn.Module):
    """ViT with a learned position embedding, a mask token and, optionally, registers; an `Encoder`.

    Registers are in every block and in no output; they have no position embedding.

    Source: Dosovitskiy et al. 2021 as in DINO/iBOT: pre-norm, qkv bias, layer norm eps 1e-6, exact GELU.
    Registers: Darcet et al. 2024, as in DINOv2.
    """

    attends_with_cls = True

    def __init__(self, config: BackboneConfig):
        super().__init__()
        self.dim, self.stride, self.grid = config.dim, config.stride, config.grid
        self.depth = config.num_blocks
        self.tap_dims, self.tap_strides = (self.dim,) * 4, (self.stride,) * 4
        dim = config.embed_dim
        self.patch_embed = Linear(input_channels(config) * config.patch_size**2, dim)
        self.cls_token = jt.zeros((1, dim))
        self.mask_token = jt.zeros((1, dim))
        if config.register_tokens:
            self.register_tokens = jt.zeros((config.register_tokens, dim))
        self.num_before = 1 + (config.register_tokens or 0)  # tokens before the patches
        self.pos_embed = jt.zeros((1 + self.grid[0] * self.grid[1], dim))  # CLS first
        self.blocks = nn.ModuleList(
            [Block(dim, config.num_heads, config.mlp_ratio) for _ in range(config.depth)]
        )
        self.norm = LayerNorm(dim, _EPS)

    def execute(
        self, images: jt.Var, mask: jt.Var | None = None, drop_path_scales: jt.Var | None = None
    ) -> Tokens:
        """One forward pass.

        Args:
            images: (B, C, H, W) float32, normalised.
            mask: (B, h, w) bool or None; True replaces the patch's embedding by the mask token.
            drop_path_scales: (depth, 2, B) float32 or None; see `pipeline.models.drop_path`.

        Raises:
            ValueError: H or W is not a multiple of the patch size, or the mask's shape differs.
        """
        x, grid = self.embed(images, mask)
        for index, block in enumerate(self.blocks):
            x = block(x, None if drop_path_scales is None else drop_path_scales[index])
        normed = self.norm(x)
        feature_map = x[:, self.num_before :].reshape(x.shape[0], *grid, x.shape[2])
        return Tokens(cls=normed[:, 0], patches=normed[:, self.num_before :], feature_map=feature_map)

    def chosen_tokens(
        self,
        images: jt.Var,
        chosen: np.ndarray,
        mask: jt.Var | None = None,
        drop_path_scales: jt.Var | None = None,
        *,
        with_map: bool,
    ) -> ChosenTokens:
        """See `Encoder`. Without the map, most of the last block is computed for CLS and chosen patches."""
        x, grid = self.embed(images, mask)
        batch, num_tokens, dim = x.shape
        last = self.depth - 1
        scales = [
            None if drop_path_scales is None else drop_path_scales[index] for index in range(self.depth)
        ]
        for index in range(last):
            x = self.blocks[index](x, scales[index])
        image, patch = np.divmod(chosen, grid[0] * grid[1])
        cls_rows = np.arange(batch) * num_tokens
        rows = np.concatenate([cls_rows, image * num_tokens + self.num_before + patch])
        rows = jt.array(rows.astype(np.int32))
        feature_map = None
        if with_map:
            x = self.blocks[last](x, scales[last])
            feature_map = kernels.rows_after(x, self.num_before).reshape(batch, *grid, dim)
            tokens = kernels.gather_rows(x.reshape(-1, dim), rows)
        else:
            tokens = self.blocks[last].of_rows(x, rows, scales[last])
        normed = self.norm(tokens)
        return ChosenTokens(normed[:batch], normed[batch:] if len(chosen) else None, feature_map)

    def visible_tokens(
        self, images: jt.Var, visible: np.ndarray, drop_path_scales: jt.Var | None = None
    ) -> Tokens:
        """Do a forward pass of some patches: the others are left out before the first block, as in MAE.

        Args:
            images: (B, C, H, W) float32, normalised.
            visible: (B, n) int32, indices of each image's patches.
            drop_path_scales: (depth, 2, B) float32 or None.

        Returns:
            Tokens with patches (B, n, D) and feature_map (B, 1, n, D), in the order of `visible`.
        """
        x, _ = self.embed(images)
        batch, num_tokens, dim = x.shape
        first = np.arange(batch)[:, None] * num_tokens  # the image's CLS
        before = np.arange(self.num_before)[None]
        rows = np.concatenate([first + before, first + self.num_before + visible], axis=1).astype(np.int32)
        x = kernels.gather_rows(x.reshape(-1, dim), jt.array(rows.ravel())).reshape(batch, -1, dim)
        for index, block in enumerate(self.blocks):
            x = block(x, None if drop_path_scales is None else drop_path_scales[index])
        normed = self.norm(x)
        patches, last = normed[:, self.num_before :], x[:, self.num_before :]
        return Tokens(cls=normed[:, 0], patches=patches, feature_map=last.unsqueeze(1))

    def embed(self, images: jt.Var, mask: jt.Var | None = None) -> tuple[jt.Var, tuple[int, int]]:
        """images (B, C, H, W) -> tokens (B, 1 + R + N, D) with positions, and the grid (h, w)."""
        batch, _, height, width = images.shape
        grid = (height // self.stride, width // self.stride)
        patches = self.patch_embed(kernels.image_patches(images, self.stride))
        if mask is not None:
            if tuple(mask.shape) != (batch, *grid):
                raise ValueError(f"mask has shape {tuple(mask.shape)}, expected {(batch, *grid)}")
            mask = mask.reshape(batch, -1)
        x = kernels.tokens(patches, self.cls_token, self._positions(grid), mask, self.mask_token)
        if self.num_before > 1:
            registers = self.register_tokens.unsqueeze(0).broadcast((batch, self.num_before - 1, self.dim))
            x = jt.concat([x[:, :1], registers, x[:, 1:]], dim=1)
        return x, grid

    def _positions(self, grid: tuple[int, int]) -> jt.Var:
        if grid == self.grid:
            return self.pos_embed
        return jt.matmul(jt.array(_resampling_with_cls(self.grid, grid)), self.pos_embed)

    def features(self, images: jt.Var, num_blocks: int) -> tuple[jt.Var, jt.Var]:
        """Frozen features for probes.

        Returns:
            CLS tokens of the last `num_blocks` blocks (B, num_blocks, D), the last block last, each
            after the final norm; and the mean patch token of the last block (B, D), after the norm.

        Source: iBOT eval_linear (the one final norm is applied to every block's tokens).
        """
        if not 1 <= num_blocks <= len(self.blocks):
            raise ValueError(f"num_blocks must be in 1..{len(self.blocks)}, got {num_blocks}")
        x, _ = self.embed(images)
        cls_tokens = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index >= len(self.blocks) - num_blocks:
                cls_tokens.append(self.norm(x[:, 0]))
        return jt.stack(cls_tokens, dim=1), kernels.mean_positions(self.norm(x[:, self.num_before :]))

    def taps(self, images: jt.Var, *, normed: bool, drop_path_scales: jt.Var | None = None) -> list[jt.Var]:
        """Patch tokens after the blocks of `tap_blocks`, as maps (B, h, w, D), shallow to deep.

        Args:
            normed: apply the one final norm to every map.
            drop_path_scales: (depth, 2, B) float32 or None.

        Source: iBOT's segmentation and detection backbones (`out_with_norm`); CLS is left out.
        """
        x, grid = self.embed(images)
        maps, blocks = {}, tap_blocks(self.depth)
        for index, block in enumerate(self.blocks):
            x = block(x, None if drop_path_scales is None else drop_path_scales[index])
            if index in blocks:
                patches = x[:, self.num_before :]
                patches = self.norm(patches) if normed else patches
                maps[index] = patches.reshape(x.shape[0], *grid, x.shape[2])
        return [maps[index] for index in blocks]


@lru_cache(maxsize=32)
def _resampling_with_cls(old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """`grid_resampling` for embeddings with CLS first, which stays as it is: (1 + h' w', 1 + h w) float32."""
    patches = grid_resampling(old, new)
    matrix = np.zeros((1 + patches.shape[0], 1 + patches.shape[1]), np.float32)
    matrix[0, 0], matrix[1:, 1:] = 1, patches
    return matrix


def tap_blocks(depth: int) -> tuple[int, int, int, int]:
    """Indices of the blocks at a third, half, two thirds and the end: 3, 5, 7, 11 of 12.

    Source: iBOT's configurations for 12 and for 24 blocks; the rule for other depths is this project's own.
    """
    return (max(depth // 3 - 1, 0), max(depth // 2 - 1, 0), max(2 * depth // 3 - 1, 0), depth - 1)
