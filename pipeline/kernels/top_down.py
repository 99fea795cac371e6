"""Sums of a feature pyramid's maps from coarse to fine.

Shapes: B images, C channels, h x w positions of a map, with the channels last.
"""

from collections.abc import Sequence
from itertools import pairwise

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, array_of, call, places


def top_down(maps: Sequence[jt.Var]) -> jt.Var:
    """Each map plus the next coarser sum, every position of which covers 2 x 2 of the finer map.

    Args:
        maps: (B, h, w, C), fine to coarse, each of half the size of the one before, rounded up.

    Returns:
        (R, C): the sums behind one another, fine to coarse, each in the order image, row, column.

    Raises:
        ValueError: the shapes do not fit.
    """
    for finer, coarser in pairwise(maps):
        batch, height, width, channels = finer.shape
        expected = (batch, (height + 1) // 2, (width + 1) // 2, channels)
        if tuple(coarser.shape) != expected:
            raise ValueError(
                f"expected a map {expected} below {tuple(finer.shape)}, found {tuple(coarser.shape)}"
            )
    return (fused_top_down if selection.fused_on_processor() else plain_top_down)(maps)


def plain_top_down(maps: Sequence[jt.Var]) -> jt.Var:
    sums = list(maps)
    for index in reversed(range(len(sums) - 1)):
        size = tuple(sums[index].shape[1:3])
        # On a device Jittor's own gradient of the repetition adds the four places by atomics.
        coarser = (
            _Doubled()(sums[index + 1], size) if selection.on_device() else _doubled(sums[index + 1], size)
        )
        sums[index] = sums[index] + coarser
    return jt.concat([x.reshape(-1, x.shape[3]) for x in sums], dim=0)


def fused_top_down(maps: Sequence[jt.Var]) -> jt.Var:
    return _TopDown()(*maps)


class _TopDown(Operator):
    def execute(self, *maps: jt.Var) -> jt.Var:
        self.shapes = [x.shape for x in maps]
        channels = maps[0].shape[3]
        sizes, given = _sizes("in", len(maps)), places("const float", "in", 0, len(maps))
        arguments = f"{len(maps)}, {sizes}, in0_shape3, {given}, out0_p"
        rows = sum(x.numel() for x in maps) // channels
        return call("top_down", arguments, list(maps), (rows, channels))

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, ...]:
        count = len(self.shapes)
        sizes, results = _sizes("out", count), places("float", "out", 0, count)
        arguments = f"{count}, {sizes}, out0_shape3, in0_p, {results}"
        found = call("top_down_gradient", arguments, [out_grad], *self.shapes)
        return (found,) if count == 1 else tuple(found)


def _sizes(kind: str, count: int) -> str:
    """C++ of images, height and width of the first `count` inputs or outputs."""
    return array_of("long", (f"{kind}{i}_shape{axis}" for i in range(count) for axis in (0, 1, 2)))


def _doubled(x: jt.Var, size: tuple[int, int]) -> jt.Var:
    """Every position four times, cut to `size`: (B, h, w, C) -> (B, *size, C)."""
    batch, height, width, channels = x.shape
    pairs = x.reshape(batch, height, 1, width, 1, channels)
    pairs = pairs.broadcast([batch, height, 2, width, 2, channels])
    return pairs.reshape(batch, 2 * height, 2 * width, channels)[:, : size[0], : size[1]]


class _Doubled(Operator):
    """The same with a gradient of fixed order."""

    def execute(self, x: jt.Var, size: tuple[int, int]) -> jt.Var:
        self.shape = x.shape
        return _doubled(x, size)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, None]:
        batch, height, width, channels = self.shape
        for axis, whole in ((1, 2 * height), (2, 2 * width)):
            if out_grad.shape[axis] < whole:
                missing = list(out_grad.shape)
                missing[axis] = 1
                out_grad = jt.concat([out_grad, jt.zeros(missing)], dim=axis)
        pairs = out_grad.reshape(batch, height, 2, width, 2, channels)
        rows = pairs[:, :, 0] + pairs[:, :, 1]
        return rows[:, :, :, 0] + rows[:, :, :, 1], None
