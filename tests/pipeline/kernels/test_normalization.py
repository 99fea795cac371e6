import numpy as np
import pytest

from pipeline.doctor.answers.references import l2_normalize, layer_norm


@pytest.mark.parametrize("shape", [(1, 5), (13, 17), (3, 5, 64), (67, 33)])
def test_layer_norm(kernels, check, rng, shape):
    arrays = [rng.normal(size=shape), rng.normal(size=shape[-1]), rng.normal(size=shape[-1])]
    check(lambda *args: kernels.layer_norm(*args, 1e-6), layer_norm, arrays, 1e-5)


def test_layer_norm_of_rows_far_from_zero(kernels, jt, rng):
    x = (rng.normal(size=(5, 48)) + 1000).astype(np.float32)
    found = kernels.layer_norm(jt.array(x), jt.ones(48), jt.zeros(48), 1e-6).numpy()
    assert np.abs(found - layer_norm(x.astype(np.float64), 1.0, 0.0)).max() < 5e-4


@pytest.mark.parametrize("shape", [(1, 2), (13, 17), (67, 256)])
def test_l2_normalize(kernels, check, rng, shape):
    check(
        kernels.l2_normalize,
        l2_normalize,
        [rng.normal(size=shape) + 0.1],
    )


def test_l2_normalize_of_a_row_of_zeros(kernels, jt):
    x = jt.zeros((2, 3))
    y = kernels.l2_normalize(x, eps=0.5)
    assert np.array_equal(y.numpy(), np.zeros((2, 3)))
    assert np.allclose(jt.grad(y.sum(), x).numpy(), 2.0)


def test_shapes_that_do_not_fit(kernels, jt):
    with pytest.raises(ValueError, match="layer_norm: "):
        kernels.layer_norm(jt.zeros((3, 4)), jt.zeros(3), jt.zeros(4), 1e-6)
    with pytest.raises(ValueError, match="l2_normalize: "):
        kernels.l2_normalize(jt.zeros((3, 4, 5)))
