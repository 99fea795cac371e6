"""Patch features of a frozen backbone.

Shapes: B images of S x S pixels; the last feature map, of stride s, has h x w patches with h = w = S / s,
N = h w, and D channels.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.models.encoder import Encoder


@dataclass(frozen=True, eq=False)
class PatchFeatures:
    """Patch features of a batch of images; all float32.

    A base without a CLS token that attends to patches has no attention, and its tokens serve as keys.
    """

    tokens: np.ndarray  # (B, h, w, D): patches after the last block and the final norm
    keys: np.ndarray  # (B, N, D): keys of the last block, heads concatenated, without CLS
    attention: np.ndarray | None  # (B, heads, h, w): from the last block's CLS to each patch

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w)."""
        return self.tokens.shape[1], self.tokens.shape[2]

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, images: slice) -> "PatchFeatures":
        attention = None if self.attention is None else self.attention[images]
        return PatchFeatures(self.tokens[images], self.keys[images], attention)

    @staticmethod
    def joined(parts: list["PatchFeatures"]) -> "PatchFeatures":
        """Several batches joined into one."""

        def joined(name: str) -> np.ndarray | None:
            arrays = [getattr(part, name) for part in parts]
            return None if arrays[0] is None else np.concatenate(arrays)

        return PatchFeatures(*map(joined, ("tokens", "keys", "attention")))


def patch_features(network: "Encoder", images: np.ndarray) -> PatchFeatures:
    """Compute patch features in one forward pass; only the CLS row of the attention is computed, never N x N.

    Args:
        images: (B, 3, S, S) float32, normalised; S a multiple of the stride. A position embedding is
            resampled if S is not the image size of the backbone's pretraining.
    """
    import jittor as jt  # not at the top, so that modules which only use features load without it

    if not network.attends_with_cls:
        with jt.no_grad():
            found = network(jt.array(images))
            patches, (height, width) = found.patches.numpy(), found.feature_map.shape[1:3]
        tokens = patches.reshape(len(images), height, width, -1)
        return PatchFeatures(tokens=tokens, keys=patches, attention=None)

    with jt.no_grad():
        x, (height, width) = network.embed(jt.array(images))
        for block in network.blocks[:-1]:
            x = block(x)
        last, before = network.blocks[-1], network.num_before
        qkv = last.attention.qkv(last.norm_attention(x))  # (B, 1 + R + N, 3 D)
        dim = qkv.shape[2] // 3
        cls_query, keys = qkv[:, 0, :dim].numpy(), qkv[:, :, dim : 2 * dim].numpy()
        tokens = network.norm(last(x)[:, before:]).numpy()
    return PatchFeatures(
        tokens=tokens.reshape(-1, height, width, dim),
        keys=keys[:, before:],
        attention=cls_attention(cls_query, keys, last.attention.num_heads)[:, :, before:].reshape(
            len(keys), -1, height, width
        ),
    )


def cls_attention(cls_query: np.ndarray, keys: np.ndarray, num_heads: int) -> np.ndarray:
    """softmax(q k^T / sqrt(d)) of one query per image and head.

    Args:
        cls_query: (B, D), heads concatenated, d = D / num_heads channels each.
        keys: (B, T, D), heads concatenated, of T tokens: CLS, registers, patches.

    Returns:
        (B, num_heads, T) float32; each row sums to 1, its first number is the CLS token's own.
    """
    batch, tokens, dim = keys.shape
    depth = dim // num_heads
    query = cls_query.reshape(batch, num_heads, depth, 1)
    logits = (keys.reshape(batch, tokens, num_heads, depth).transpose(0, 2, 1, 3) @ query)[..., 0]
    logits *= depth**-0.5
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    return weights / weights.sum(axis=2, keepdims=True)
