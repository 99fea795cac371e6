"""Cuts images into patches, for the matrix product of a patch embedding."""

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def image_patches(images: jt.Var, side: int) -> jt.Var:
    """Cut images into squares that do not overlap.

    Args:
        images: (B, C, H, W).
        side: of a square, in pixels.

    Returns:
        (B, N, C side side): the squares row by row, each channel by channel.

    Raises:
        ValueError: H or W is not a multiple of `side`.
    """
    batch, channels, height, width = images.shape
    rows, columns = height // side, width // side
    if (rows * side, columns * side) != (height, width):
        raise ValueError(f"image of {height} x {width} px is not divisible into patches of {side} px")
    if selection.on_device():
        return _ImagePatches(side)(images)
    patches = images.reshape(batch, channels, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(batch, rows * columns, channels * side * side)


class _ImagePatches(Operator):
    """One copy of the pixels: on an H200, Jittor's transposition of six axes took 30 times as long."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side

    def execute(self, images: jt.Var) -> jt.Var:
        self.shape = images.shape
        batch, channels, height, width = self.shape
        shape = (batch, height // self.side * (width // self.side), channels * self.side**2)
        return call("image_patches", self._sizes("in0"), [images], shape, data={"side": self.side})

    def grad(self, out_grad: jt.Var) -> jt.Var:
        sizes = self._sizes("out0")
        return call("image_patches_gradient", sizes, [out_grad], self.shape, data={"side": self.side})

    @staticmethod
    def _sizes(images: str) -> str:
        side = 'static_cast<long>(data["side"])'
        places = f"{images}_shape2 / {side}, {images}_shape3 / {side}"
        return f"{images}_shape0, {images}_shape1, {places}, {side}, in0_p, out0_p"
