import numpy as np
import pytest

from pipeline.weights.position_grid import grid_resampling
from tests.pipeline.models.auxiliary_heads.small_head import DIM, GRID, build, random_map, scrambled


@pytest.mark.parametrize("kind", ["mixer", "resmlp"])
def test_another_grid_is_resized_mixed_and_resized_back(jt, rng, kind):
    mixing = scrambled(build(kind), rng).blocks[0].mixing
    feature_map = random_map(rng, (2, 6))
    there, back = grid_resampling((2, 6), GRID), grid_resampling(GRID, (2, 6))
    resized = (there @ feature_map.reshape(2, 12, DIM)).reshape(2, *GRID, DIM)
    expected = back @ mixing(jt.array(resized)).numpy().reshape(2, 16, DIM)
    found = mixing(jt.array(feature_map)).numpy()
    assert found.shape == feature_map.shape
    assert np.allclose(found.reshape(expected.shape), expected, atol=1e-4)


def test_each_channel_is_mixed_alone_by_one_matrix(jt, rng):
    mixing = scrambled(build("resmlp"), rng).blocks[0].mixing
    feature_map = random_map(rng)
    weight, bias = mixing.layer.weight.numpy(), mixing.layer.bias.numpy()
    expected = weight @ feature_map.reshape(2, 16, DIM).astype(np.float64) + bias[:, None]
    found = mixing(jt.array(feature_map)).numpy().reshape(2, 16, DIM)
    assert np.allclose(found, expected, atol=1e-4)
