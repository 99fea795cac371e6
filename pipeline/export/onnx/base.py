"""The interface of each kind of base for the heads that follow it.

Shapes: B images of S x S pixels; D channels and h x h positions of the last map, C_i and h_i of tap i.
"""

from typing import Protocol


class OnnxBase(Protocol):
    """Adds a base to a graph. Values are strings, their names; unused ones are not added."""

    tap_dims: tuple[int, ...]  # C_i
    tap_sides: tuple[int, ...]  # h_i

    def blocks(self, images: str) -> list[str]:
        """images (B, 3, S, S) -> the output of each block."""

    def feature_map(self, last: str) -> str:
        """Output of the last block -> (B, h, h, D), before the final norm."""

    def pooled(self, last: str) -> tuple[str, str]:
        """Output of the last block -> global vector (B, D), patches (B, h, h, D), both normed."""

    def taps(self, blocks: list[str], *, normed: bool) -> list[str]:
        """Outputs of all blocks -> the four maps (B, C_i, h_i, h_i) for dense tasks."""
