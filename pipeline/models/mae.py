"""Networks of MAE: an encoder that is not shown everything, and a decoder that says what is hidden.

Shapes: B crops, N = h w places of the base's last map, n of them seen; D width of the base, d of the decoder,
s pixels from a place to the next.
"""

from dataclasses import dataclass

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.config.methods import MaeConfig
from pipeline.config.stages import PretrainConfig
from pipeline.models.encoder import Tokens
from pipeline.models.hssl import EncodingNetwork, PathScales
from pipeline.models.layers import LayerNorm, Linear
from pipeline.models.vit import Block

_EPS = 1e-6


@dataclass(frozen=True)
class Places:
    """Which places of each crop are seen and which are hidden, equally many in every crop."""

    masks: np.ndarray  # (B, h, w) bool, True = hidden
    seen: np.ndarray  # (B, n) int32, ascending
    hidden_rows: np.ndarray  # (B (N - n),) int32 into (B N) places

    @classmethod
    def of(cls, masks: np.ndarray) -> "Places":
        """From masks (B, h, w).

        Raises:
            ValueError: crops differ in how many places are hidden, or all are, or none.
        """
        flat = masks.reshape(len(masks), -1)
        counts = set(flat.sum(axis=1).tolist())
        if len(counts) != 1 or not 0 < min(counts) < flat.shape[1]:
            raise ValueError(
                f"MAE hides equally many places in every crop, at least one and not all of {flat.shape[1]}; "
                f"found {sorted(counts)}"
            )
        seen = np.nonzero(~flat)[1].reshape(len(flat), -1)
        return cls(masks, seen.astype(np.int32), np.flatnonzero(flat).astype(np.int32))


@dataclass(frozen=True)
class Guesses:
    """What the student says of hidden places, one row for each, in the order of `Places.hidden_rows`."""

    pixels: jt.Var  # (B (N - n), 3 s s), from the decoder
    features: jt.Var | None  # (B (N - n), D), likewise, of the teacher's auxiliary head
    auxiliary_pixels: jt.Var | None  # (B (N - n), 3 s s), from the auxiliary head
    cls: jt.Var  # (B, D) the base's global vector, without gradient


class Decoder(nn.Module):
    """Transformer blocks over all places, and linear layers that read the hidden ones.

    Source: He et al. 2022. Deviation of this project: the position embedding is learned.

    Args:
        num_outputs: width of each linear layer's output, by name.
        hides: whether places are missing, for which the decoder then has a token.
    """

    def __init__(
        self, config: MaeConfig, dim: int, num_places: int, num_outputs: dict[str, int], *, hides: bool
    ):
        super().__init__()
        width = config.decoder_dim
        self.embed = Linear(dim, width)
        self.mask_token = jt.zeros((1, width)) if hides else None
        self.pos_embed = jt.zeros((1 + num_places, width))  # the global vector first
        self.blocks = nn.ModuleList(
            [Block(width, config.decoder_heads, 4.0) for _ in range(config.decoder_depth)]
        )
        self.norm = LayerNorm(width, _EPS)
        self.pixels = Linear(width, num_outputs["pixels"])
        self.features = Linear(width, num_outputs["features"]) if "features" in num_outputs else None

    def execute(self, tokens: Tokens, places: Places) -> tuple[jt.Var, jt.Var | None]:
        """Global vectors (B, D) and patches (B, n or N, D) -> pixels and features of hidden places."""
        patches = self.embed(tokens.patches)
        if self.mask_token is not None:
            patches = filled(patches, self.mask_token, places)
        x = jt.concat([self.embed(tokens.cls).unsqueeze(1), patches], dim=1) + self.pos_embed.unsqueeze(0)
        for block in self.blocks:
            x = block(x)
        x = x[:, 1:].reshape(-1, x.shape[2])
        x = self.norm(kernels.gather_rows(x, jt.array(places.hidden_rows)))
        return self.pixels(x), None if self.features is None else self.features(x)


class MaeNetwork(EncodingNetwork):
    """The student: base, decoder, auxiliary head.

    A base that can leave patches out (`visible_tokens`, the Vision Transformer) is shown the seen ones only;
    any other gets its mask token in hidden places, as in SimMIM (Xie et al. 2022). The auxiliary head needs
    the whole map: where the base left places out, the head has a token of its own for them.
    """

    def __init__(self, config: PretrainConfig):
        super().__init__(config)
        base, has_head = self.backbone, self.auxiliary_head is not None
        self.hides = hasattr(base, "visible_tokens")
        num_pixels, num_places = 3 * base.stride**2, base.grid[0] * base.grid[1]
        outputs = {"pixels": num_pixels} | ({"features": base.dim} if has_head else {})
        self.decoder = Decoder(config.method, base.dim, num_places, outputs, hides=self.hides)
        self.auxiliary_token = jt.zeros((1, base.dim)) if has_head and self.hides else None
        self.auxiliary_pixels = Linear(base.dim, num_pixels) if has_head else None

    def guesses(self, images: jt.Var, places: Places, paths: PathScales | None = None) -> Guesses:
        """images (B, 3, H, W) of the configured size, whose hidden pixels have no influence."""
        base_paths = paths.base if paths else None
        if self.hides:
            tokens = self.backbone.visible_tokens(images, places.seen, base_paths)
        else:
            tokens = self.backbone(images, jt.array(places.masks), base_paths)
        pixels, features = self.decoder(tokens, places)
        auxiliary_pixels = None
        if self.auxiliary_head is not None:
            auxiliary_pixels = self._auxiliary(tokens.feature_map, places, paths)
        return Guesses(pixels, features, auxiliary_pixels, tokens.cls.detach())

    def _auxiliary(self, feature_map: jt.Var, places: Places, paths: PathScales | None) -> jt.Var:
        if self.detached:
            feature_map = feature_map.detach()
        if self.hides:
            rows = feature_map.reshape(feature_map.shape[0], -1, feature_map.shape[-1])
            feature_map = filled(rows, self.auxiliary_token, places)
            feature_map = feature_map.reshape(*places.masks.shape, feature_map.shape[-1])
        mixed = self.auxiliary_head.mixed(feature_map, paths.auxiliary if paths else None)
        hidden = hidden_rows(mixed, places)
        return self.auxiliary_pixels(self.auxiliary_head.norm(hidden))


def filled(seen: jt.Var, token: jt.Var, places: Places) -> jt.Var:
    """seen (B, n, C), token (1, C) -> (B, N, C): seen places where they belong, the token elsewhere."""
    batch, num_seen, channels = seen.shape
    hidden = places.masks.reshape(batch, -1)
    source = np.zeros(hidden.shape, np.int32)  # any row does for a hidden place
    source[~hidden] = np.arange(batch * num_seen)
    spread = kernels.gather_rows(seen.reshape(-1, channels), jt.array(source.ravel()))
    # Not by joining seen rows and token: in Jittor 1.3.11, the gradient of a linear layer in front of such a
    # jt.concat came out as zero from the second step on.
    return jt.where(jt.array(hidden)[:, :, None], token.unsqueeze(0), spread.reshape(batch, -1, channels))


def hidden_rows(feature_map: jt.Var, places: Places) -> jt.Var:
    """(B, h, w, D) -> (B (N - n), D)."""
    return kernels.gather_rows(feature_map.reshape(-1, feature_map.shape[-1]), jt.array(places.hidden_rows))
