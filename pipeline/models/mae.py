"""Networks of MAE: an encoder of the visible patches, and a decoder that reconstructs the hidden ones.

Shapes: B crops, N = h w patches (positions of the base's last map), n of them visible; D width of the base, d
of the decoder, s pixels per patch side.
"""

from dataclasses import dataclass

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.config.stages import PretrainConfig
from pipeline.models.encoder import Tokens
from pipeline.models.hssl import DropPathScales, EncodingNetwork
from pipeline.models.input_channels import input_channels
from pipeline.models.layers import LayerNorm, Linear
from pipeline.models.vit import Block

_EPS = 1e-6


@dataclass(frozen=True)
class PatchMasks:
    """Which patches of each crop are visible and which are hidden, equally many in every crop."""

    masks: np.ndarray  # (B, h, w) bool, True = hidden
    visible: np.ndarray  # (B, n) int32, ascending
    hidden_rows: np.ndarray  # (B (N - n),) int32 into (B N) patches

    @classmethod
    def of(cls, masks: np.ndarray) -> "PatchMasks":
        """From masks (B, h, w).

        Raises:
            ValueError: crops differ in the number of hidden patches, or all or none are hidden.
        """
        flat = masks.reshape(len(masks), -1)
        counts = set(flat.sum(axis=1).tolist())
        if len(counts) != 1 or not 0 < min(counts) < flat.shape[1]:
            raise ValueError(
                f"MAE hides equally many patches in every crop, at least one and not all of {flat.shape[1]}; "
                f"found {sorted(counts)}"
            )
        visible = np.nonzero(~flat)[1].reshape(len(flat), -1)
        return cls(masks, visible.astype(np.int32), np.flatnonzero(flat).astype(np.int32))


@dataclass(frozen=True)
class Predictions:
    """The student's predictions, one row for each hidden patch, in the order of `PatchMasks.hidden_rows`."""

    pixels: jt.Var  # (B (N - n), 3 s s), from the decoder
    features: jt.Var | None  # (B (N - n), D), likewise, of the teacher's auxiliary head
    auxiliary_pixels: jt.Var | None  # (B (N - n), 3 s s), from the auxiliary head
    cls: jt.Var  # (B, D) the base's global vector, without gradient


class Decoder(nn.Module):
    """Transformer blocks over all patches, and linear layers that read the hidden ones.

    Source: He et al. 2022. Deviation of this project: the position embedding is learned.

    Args:
        dim: of the base's tokens.
        width, depth, num_heads: of the decoder.
        num_outputs: width of each linear layer's output, by name.
        hides: whether patches are missing; the decoder then has a token for them.
    """

    def __init__(
        self,
        dim: int,
        num_patches: int,
        num_outputs: dict[str, int],
        *,
        width: int,
        depth: int,
        num_heads: int,
        hides: bool,
    ):
        super().__init__()
        self.embed = Linear(dim, width)
        self.mask_token = jt.zeros((1, width)) if hides else None
        self.pos_embed = jt.zeros((1 + num_patches, width))  # the global vector first
        self.blocks = nn.ModuleList([Block(width, num_heads, 4.0) for _ in range(depth)])
        self.norm = LayerNorm(width, _EPS)
        self.pixels = Linear(width, num_outputs["pixels"])
        self.features = Linear(width, num_outputs["features"]) if "features" in num_outputs else None

    def execute(self, tokens: Tokens, patch_masks: PatchMasks) -> tuple[jt.Var, jt.Var | None]:
        """Global vectors (B, D) and patches (B, n or N, D) -> pixels and features of hidden patches."""
        patches = self.embed(tokens.patches)
        if self.mask_token is not None:
            patches = filled(patches, self.mask_token, patch_masks)
        x = jt.concat([self.embed(tokens.cls).unsqueeze(1), patches], dim=1)
        # A number of each token as a channel of its own: their gradients are sums over images.
        flat = kernels.add_to_channels(x.reshape(x.shape[0], -1, 1, 1), self.pos_embed.reshape(-1))
        x = flat.reshape(x.shape)
        for block in self.blocks:
            x = block(x)
        x = x[:, 1:].reshape(-1, x.shape[2])
        x = self.norm(kernels.gather_rows(x, jt.array(patch_masks.hidden_rows)))
        return self.pixels(x), None if self.features is None else self.features(x)


class MaeNetwork(EncodingNetwork):
    """The student: base, decoder, auxiliary head.

    A base that can leave patches out (`visible_tokens`, the Vision Transformer) gets only the visible ones;
    any other has its mask token in hidden patches, as in SimMIM (Xie et al. 2022). The auxiliary head needs
    the whole map: if the base left patches out, the head has its own token for them.
    """

    def __init__(self, config: PretrainConfig):
        super().__init__(config)
        base, has_head = self.backbone, self.auxiliary_head is not None
        self.hides = hasattr(base, "visible_tokens")
        num_pixels = input_channels(config.backbone) * base.stride**2
        num_patches = base.grid[0] * base.grid[1]
        outputs = {"pixels": num_pixels} | ({"features": base.dim} if has_head else {})
        method = config.method
        self.decoder = Decoder(
            base.dim,
            num_patches,
            outputs,
            width=method.decoder_dim,
            depth=method.decoder_depth,
            num_heads=method.decoder_heads,
            hides=self.hides,
        )
        self.auxiliary_token = jt.zeros((1, base.dim)) if has_head and self.hides else None
        self.auxiliary_pixels = Linear(base.dim, num_pixels) if has_head else None

    def predictions(
        self, images: jt.Var, patch_masks: PatchMasks, drop_path: DropPathScales | None = None
    ) -> Predictions:
        """images (B, 3, H, W) of the configured size; hidden pixels do not influence the result."""
        base_drop_path = drop_path.base if drop_path else None
        if self.hides:
            tokens = self.backbone.visible_tokens(images, patch_masks.visible, base_drop_path)
        else:
            tokens = self.backbone(images, jt.array(patch_masks.masks), base_drop_path)
        pixels, features = self.decoder(tokens, patch_masks)
        auxiliary_pixels = None
        if self.auxiliary_head is not None:
            auxiliary_pixels = self._auxiliary(tokens.feature_map, patch_masks, drop_path)
        return Predictions(pixels, features, auxiliary_pixels, tokens.cls.detach())

    def _auxiliary(
        self, feature_map: jt.Var, patch_masks: PatchMasks, drop_path: DropPathScales | None
    ) -> jt.Var:
        if self.detached:
            feature_map = feature_map.detach()
        if self.hides:
            rows = feature_map.reshape(feature_map.shape[0], -1, feature_map.shape[-1])
            feature_map = filled(rows, self.auxiliary_token, patch_masks)
            feature_map = feature_map.reshape(*patch_masks.masks.shape, feature_map.shape[-1])
        mixed = self.auxiliary_head.mixed(feature_map, drop_path.auxiliary if drop_path else None)
        hidden = hidden_rows(mixed, patch_masks)
        return self.auxiliary_pixels(self.auxiliary_head.norm(hidden))


def filled(visible: jt.Var, token: jt.Var, patch_masks: PatchMasks) -> jt.Var:
    """visible (B, n, C), token (1, C) -> (B, N, C): visible patches at their positions, else the token."""
    batch, num_visible, channels = visible.shape
    hidden = patch_masks.masks.reshape(batch, -1)
    source = np.zeros(hidden.shape, np.int32)  # for a hidden patch any row will do
    source[~hidden] = np.arange(batch * num_visible)
    spread = kernels.gather_rows(visible.reshape(-1, channels), jt.array(source.ravel()))
    # Not by concatenating rows and token: in Jittor 1.3.11, the gradient of a linear layer before such a
    # jt.concat was zero from the second step on.
    spread = spread.reshape(batch, -1, channels)
    return kernels.with_token(spread, jt.array(hidden).unsqueeze(2), token.reshape(channels))


def hidden_rows(feature_map: jt.Var, patch_masks: PatchMasks) -> jt.Var:
    """(B, h, w, D) -> (B (N - n), D)."""
    return kernels.gather_rows(
        feature_map.reshape(-1, feature_map.shape[-1]), jt.array(patch_masks.hidden_rows)
    )
