import numpy as np
import pytest


def oracle(x, num_groups, weight, bias):
    batch, height, width, dim = x.shape
    groups = x.astype(np.float64).reshape(batch, height, width, num_groups, dim // num_groups)
    mean = groups.mean(axis=(1, 2, 4), keepdims=True)
    normed = (groups - mean) / np.sqrt(groups.var(axis=(1, 2, 4), keepdims=True) + 1e-5)
    return normed.reshape(x.shape) * weight + bias


@pytest.mark.parametrize("num_groups", [1, 3, 12])
def test_group_norm(jt, rng, num_groups):
    from pipeline.models.auxiliary_heads.group_norm import GroupNorm

    norm = GroupNorm(12, num_groups)
    weight, bias = rng.normal(size=(2, 12)).astype(np.float32)
    norm.weight.assign(jt.array(weight))
    norm.bias.assign(jt.array(bias))
    x = (rng.normal(size=(2, 5, 3, 12)) + 30).astype(np.float32)
    assert np.abs(norm(jt.array(x)).numpy() - oracle(x, num_groups, weight, bias)).max() < 1e-4


@pytest.mark.parametrize(
    ("dim", "groups"), [(384, 24), (96, 6), (192, 12), (48, 3), (24, 3), (6, 3), (7, 7), (1, 1)]
)
def test_groups_of_sixteen_channels_or_fewer(jt, dim, groups):
    from pipeline.models.auxiliary_heads.group_norm import groups_of

    assert groups_of(dim) == groups
