import numpy as np
import pytest

from tests.pipeline.models.auxiliary_heads.small_head import build, random_map


def neighbours_mean(x, side):
    """The mean over the neighbours on the map, place by place."""
    mean = np.empty(x.shape)
    for row, column in np.ndindex(*x.shape[1:3]):
        reach = side // 2
        near = x[:, max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        mean[:, row, column] = near.mean(axis=(1, 2))
    return mean


@pytest.mark.parametrize("side", [3, 5, 9])
def test_mixing_is_the_mean_over_neighbours_and_has_no_weights(jt, rng, side):
    head = build("poolformer", kernel_size=side)
    x = random_map(rng, (4, 6))
    for block, subtracted in zip(head.blocks, (0, x, x), strict=True):
        assert block.mixing.named_parameters() == []
        found = block.mixing(jt.array(x)).numpy()
        assert np.abs(found - (neighbours_mean(x, side) - subtracted)).max() < 1e-5
