"""What each kind of base offers to those that put a head on it.

Shapes: B images of S x S pixels; D channels and h x h positions of the last map, C_i and h_i of tap i.
"""

from typing import Protocol


class OnnxBase(Protocol):
    """Adds a base to a graph. Values are named; those that nobody asks for are not added."""

    tap_dims: tuple[int, ...]  # C_i
    tap_sides: tuple[int, ...]  # h_i

    def blocks(self, images: str) -> list[str]:
        """images (B, 3, S, S) -> what each block passes on."""

    def feature_map(self, last: str) -> str:
        """What the last block passes on -> (B, h, h, D), before the final norm."""

    def pooled(self, last: str) -> tuple[str, str]:
        """What the last block passes on -> global vector (B, D), patches (B, h, h, D), both normed."""

    def taps(self, blocks: list[str], *, normed: bool) -> list[str]:
        """What all blocks pass on -> the four maps (B, C_i, h_i, h_i) that dense tasks read."""
