"""RoIAlign: features within boxes, resampled to a fixed grid, from the pyramid level of each box's size.

Shapes: n boxes (RoIs), C channels, s bins per side, B images, levels of h x w positions.
"""

import jittor as jt
import numpy as np

from pipeline import kernels
from pipeline.detection.box_library import function_of_boxes
from pipeline.detection.levels import Levels, starts_of


def roi_levels(boxes: np.ndarray, finest_scale: float, num_levels: int) -> np.ndarray:
    """Level of each box, floor(log2(sqrt(area) / finest_scale)) cut to 0..num_levels-1: (n, 4) -> (n,) int64.

    Source: FPN (Lin et al. 2017), equation 1, with mmdetection's constant.
    """
    sides = np.clip(boxes[:, 2:].astype(np.float64) - boxes[:, :2], 0, None)
    return np.searchsorted(_limits(finest_scale, num_levels), sides.prod(axis=1), side="right")


def _limits(finest_scale: float, num_levels: int) -> np.ndarray:
    """(num_levels - 1,) float64: the least area of a box on each level but the finest."""
    return (finest_scale * 2.0 ** np.arange(1, num_levels)) ** 2


class RoiAlign:
    """Average of sampling x sampling bilinear samples in each bin of each box, from one pyramid.

    Args:
        levels: of which the first ones are read, as many as there are strides.
        strides: of each level, image pixels between neighbours.
        finest_scale: pixels; boxes below twice this side are taken from the first map, and so on.

    Source:
        Mask R-CNN (He et al. 2017), section 3; aligned: cell (0, 0) is centred at half a stride. The number
            of samples is fixed, while iBOT's configuration adapts it to the box.
    """

    def __init__(self, levels: Levels, strides: list[float], finest_scale: float):
        self._levels, self._finest_scale = levels, finest_scale
        self._strides = np.asarray(strides, np.float64)
        self._sizes = np.array(levels.sizes[: len(strides)])  # (L, 2): h, w
        self._starts = starts_of(levels.batch, levels.sizes)

    def __call__(
        self,
        boxes: np.ndarray,
        image_index: np.ndarray,
        output_size: int,
        sampling: int = 2,
        *,
        channels_first: bool = False,
    ) -> jt.Var:
        """Features of boxes.

        Args:
            boxes: (n, 4) in image pixels, n may be 0; empty boxes and boxes outside of the image are allowed:
                a sample more than one cell outside of the map is 0.
            image_index: (n,) integers in 0..B-1.
            output_size: s.
            channels_first: order of the result.

        Returns:
            (n, s, s, C) float32, or (n, C, s, s), with a gradient to the levels.
        """
        if not len(boxes):
            sides, channels = (output_size, output_size), self._levels.table.shape[1]
            return jt.zeros((0, channels, *sides) if channels_first else (0, *sides, channels))
        compiled = function_of_boxes("hssl_roi_cells") is not None
        taps = (self._taps if compiled else self._taps_by_numpy)(boxes, image_index, output_size, sampling)
        table = self._levels.table
        return kernels.pool_cells(table, *map(jt.array, taps), channels_first=channels_first)

    def _taps(
        self, boxes: np.ndarray, image_index: np.ndarray, output_size: int, sampling: int
    ) -> tuple[np.ndarray, ...]:
        """Rows, their weights, columns and their weights, (n, s, 2 sampling), for `kernels.pool_cells`."""
        num_levels, shape = len(self._sizes), (len(boxes), output_size, 2 * sampling)
        rows, columns = np.empty((2, *shape), np.int32)
        row_weights, column_weights = np.empty((2, *shape), np.float32)
        boxes, image_index = boxes.astype(np.float64, "C"), np.asarray(image_index, np.int64)
        limits = _limits(self._finest_scale, num_levels)
        given = [array.ctypes.data for array in (limits, self._strides, self._sizes, self._starts)]
        found = [array.ctypes.data for array in (rows, row_weights, columns, column_weights)]
        function_of_boxes("hssl_roi_cells")(
            len(boxes),
            boxes.ctypes.data,
            image_index.ctypes.data,
            num_levels,
            *given,
            output_size,
            sampling,
            *found,
        )
        return rows, row_weights, columns, column_weights

    def _taps_by_numpy(
        self, boxes: np.ndarray, image_index: np.ndarray, output_size: int, sampling: int
    ) -> tuple[np.ndarray, ...]:
        """As `_taps`, where nothing can be compiled."""
        levels = roi_levels(boxes, self._finest_scale, len(self._sizes))
        sizes = self._sizes[levels]
        corners = boxes.astype(np.float64) / self._strides[levels, None] - 0.5
        rows, row_weights = _axis(corners[:, 1::2], sizes[:, 0], output_size, sampling)
        columns, column_weights = _axis(corners[:, 0::2], sizes[:, 1], output_size, sampling)
        first = self._starts[levels] + np.asarray(image_index) * sizes.prod(axis=1)
        rows = first[:, None, None] + rows * sizes[:, 1][:, None, None]
        return rows.astype(np.int32), row_weights, columns.astype(np.int32), column_weights


def _axis(
    ends: np.ndarray, lengths: np.ndarray, output_size: int, sampling: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cells read by the samples of each bin along one axis, and their weights.

    Args:
        ends: (n, 2) start and end of the box, in cells, the centre of cell 0 being 0.
        lengths: (n,) cells of the map.

    Returns:
        cells (n, s, 2 sampling) int64, and weights float32 of the same shape; they sum to 1 within the map.
    """
    num_samples = output_size * sampling
    offsets = (np.arange(num_samples) + 0.5) / num_samples
    samples = ends[:, :1] + offsets * (ends[:, 1:] - ends[:, :1])
    lengths = lengths[:, None]
    inside = (samples >= -1) & (samples <= lengths)  # False for NaN
    samples = np.clip(np.where(inside, samples, 0), 0, lengths - 1)
    lower = np.floor(samples)
    upper = np.minimum(lower + 1, lengths - 1)
    share = samples - lower
    cells = np.stack([lower, upper], axis=-1).astype(np.int64)
    weights = np.stack([1 - share, share], axis=-1) * inside[..., None] / sampling
    shape = (len(ends), output_size, 2 * sampling)
    return cells.reshape(shape), weights.reshape(shape).astype(np.float32)
