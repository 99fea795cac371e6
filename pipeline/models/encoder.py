"""The interface of every base, for pretraining, probes, fine-tuning and dense tasks.

Shapes: B images of H x W pixels; h x w positions of the last map, N = h w of them, D channels. H and W are
multiples of `stride`, and h = H / stride.
"""

from dataclasses import dataclass
from typing import Protocol

import jittor as jt
import numpy as np


@dataclass(frozen=True)
class Tokens:
    """Tokens and feature map of a batch of images."""

    cls: jt.Var  # (B, D) the global vector: CLS token, or the pooled map; after the final norm
    patches: jt.Var  # (B, N, D), after the final norm
    feature_map: jt.Var  # (B, h, w, D), before the final norm: the input of the auxiliary head


NO_PATCHES = np.zeros(0, np.int32)  # for `Encoder.chosen_tokens`


@dataclass(frozen=True)
class ChosenTokens:
    """Some of a batch's tokens."""

    cls: jt.Var  # (B, D), as in `Tokens`
    patches: jt.Var | None  # (P, D), after the final norm; None where none was chosen
    feature_map: jt.Var | None  # (B, h, w, D), as in `Tokens`, if it was asked for


class Encoder(Protocol):
    """The interface of a base, which is a module.

    Parameters of its blocks are named "blocks.<index>...", those of its final norm "norm...", and the mask
    token "mask_token". The global vector of a base without CLS token (`attends_with_cls` false) is its pooled
    map.
    """

    dim: int  # D
    stride: int  # pixels between neighbouring positions of the last map
    grid: tuple[int, int]  # (h, w) at the configured image size
    depth: int  # residual blocks, for stochastic depth and layer-wise rates
    attends_with_cls: bool  # whether the last block has a CLS token that attends to the patches
    tap_dims: tuple[int, ...]  # channels of the four taps, shallow to deep
    tap_strides: tuple[int, ...]  # pixels between their neighbouring positions

    def __call__(
        self, images: jt.Var, mask: jt.Var | None = None, drop_path_scales: jt.Var | None = None
    ) -> Tokens:
        """Do a forward pass.

        Args:
            images: (B, 3, H, W) float32, normalised.
            mask: (B, h, w) bool or None; pixels of positions that are True do not influence the result.
            drop_path_scales: (depth, 2, B) float32 or None; see `pipeline.models.drop_path`. A block with one
                branch uses the first of the two numbers.

        Raises:
            ValueError: H or W is not a multiple of the stride, or the mask's shape differs.
        """

    def chosen_tokens(
        self,
        images: jt.Var,
        chosen: np.ndarray,
        mask: jt.Var | None = None,
        drop_path_scales: jt.Var | None = None,
        *,
        with_map: bool,
    ) -> ChosenTokens:
        """Do a forward pass for the global vector and some patches.

        Args:
            images, mask, drop_path_scales: as of a call.
            chosen: (P,) int32 into the batch's (B N) patches, any number of them, also none.
            with_map: whether the feature map is needed too.
        """

    def features(self, images: jt.Var, num_blocks: int) -> tuple[jt.Var, jt.Var]:
        """Global vectors after the last `num_blocks` blocks (B, num_blocks, D), the last block last, and the
        mean patch of the last block (B, D); all after the final norm.

        Raises:
            ValueError: there are fewer blocks of that width.
        """

    def taps(self, images: jt.Var, *, normed: bool, drop_path_scales: jt.Var | None = None) -> list[jt.Var]:
        """Four maps (B, H / tap_strides[i], W / tap_strides[i], tap_dims[i]), shallow to deep.

        Args:
            normed: whether every map is normed; how is up to the base.
        """
