"""Layers over all patches of one grid, applied to maps of any grid."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.weights.position_grid import grid_resampling


class FixedGridMixing(nn.Module):
    """A layer over h w patches, applied to each channel of a map.

    Its weights belong to one grid, that of global crops. A map of another grid, such as a local crop's, is
    resized to that grid, mixed, and resized back, bicubic both ways, like position embeddings. That is this
    project's own choice: Mixer and ResMLP are defined on one grid only.

    Args:
        grid: (h, w) of the layer.
        layer: (..., h w) -> (..., h w).
    """

    def __init__(self, grid: tuple[int, int], layer: nn.Module):
        super().__init__()
        self.grid = grid
        self.layer = layer

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, h', w', D) -> same shape."""
        found = (x.shape[1], x.shape[2])
        channels = x.reshape(x.shape[0], -1, x.shape[3]).permute(0, 2, 1)  # (B, D, h' w')
        mixed = self.layer(_resized(channels, found, self.grid))
        return _resized(mixed, self.grid, found).permute(0, 2, 1).reshape(x.shape)


def _resized(channels: jt.Var, old: tuple[int, int], new: tuple[int, int]) -> jt.Var:
    """(B, D, N) on grid `old` -> (B, D, N') on grid `new`."""
    if old == new:
        return channels
    return kernels.linear(channels, jt.array(grid_resampling(old, new)).stop_grad(), None)
