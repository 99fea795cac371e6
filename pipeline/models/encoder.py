"""What every base is to those that use it: pretraining, probes, fine-tuning, dense tasks.

Shapes: B images of H x W pixels; h x w positions of the last map, N = h w of them, D channels. H and W are
multiples of `stride`, and h = H / stride.
"""

from dataclasses import dataclass
from typing import Protocol

import jittor as jt


@dataclass(frozen=True)
class Tokens:
    """Tokens and feature map of a batch of images."""

    cls: jt.Var  # (B, D) the global vector: CLS token, or the pooled map; after the final norm
    patches: jt.Var  # (B, N, D), after the final norm
    feature_map: jt.Var  # (B, h, w, D), before the final norm: the input of the auxiliary head


class Encoder(Protocol):
    """The contract of a base; a module.

    Parameters of its blocks are named "blocks.<index>...", those of its final norm "norm...", and what stands
    for hidden positions "mask_token". A base without a token that attends (`attends_with_cls` false) has a
    pooled map as its global vector.
    """

    dim: int  # D
    stride: int  # pixels from one place of the last map to the next
    grid: tuple[int, int]  # (h, w) at the configured image size
    depth: int  # residual blocks, for stochastic depth and layer-wise rates
    attends_with_cls: bool  # whether the last block has a CLS token that attends to the patches
    tap_dims: tuple[int, ...]  # channels of the four taps, shallow to deep
    tap_strides: tuple[int, ...]  # pixels from one of their positions to the next

    def __call__(
        self, images: jt.Var, mask: jt.Var | None = None, drop_path_scales: jt.Var | None = None
    ) -> Tokens:
        """One forward pass.

        Args:
            images: (B, 3, H, W) float32, normalised.
            mask: (B, h, w) bool or None; pixels of a position that is True have no influence on the result.
            drop_path_scales: (depth, 2, B) float32 or None; see `pipeline.models.drop_path`. A block with one
                branch takes the first of the two numbers.

        Raises:
            ValueError: H or W is not a multiple of the stride, or the mask's shape differs.
        """

    def features(self, images: jt.Var, num_blocks: int) -> tuple[jt.Var, jt.Var]:
        """Global vectors after the last `num_blocks` blocks (B, num_blocks, D), the last block last, and the
        mean patch of the last block (B, D); all after the final norm.

        Raises:
            ValueError: there are not so many blocks of that width.
        """

    def taps(self, images: jt.Var, *, normed: bool, drop_path_scales: jt.Var | None = None) -> list[jt.Var]:
        """Four maps (B, tap_dims[i], H / tap_strides[i], W / tap_strides[i]), shallow to deep.

        Args:
            normed: with a norm on every map; which norm, the base says.
        """
