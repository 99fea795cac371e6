import numpy as np
import pytest

from pipeline.doctor.answers.references import max_halved


@pytest.mark.parametrize("shape", [(2, 2, 2, 3), (1, 1, 1, 2), (2, 5, 4, 5), (3, 3, 7, 1), (1, 30, 21, 40)])
def test_values_and_slopes(kernels, check, rng, shape):
    check(kernels.max_halved, max_halved, [rng.permutation(np.prod(shape)).reshape(shape) / 100])


@pytest.mark.parametrize("size", [(2, 2), (1, 1), (5, 4), (3, 7)])
def test_halved_is_max_pooling_with_odd_ends(kernels, jt, rng, size):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    x = rng.normal(size=(2, 3, *size)).astype(np.float32)
    there, here = torch.tensor(x, requires_grad=True), jt.array(x.transpose(0, 2, 3, 1))
    expected = torch.nn.functional.max_pool2d(there, 2, ceil_mode=True)
    weights = rng.normal(size=tuple(expected.shape)).astype(np.float32)
    (expected * torch.tensor(weights)).sum().backward()
    found = kernels.max_halved(here)
    assert np.array_equal(found.numpy().transpose(0, 3, 1, 2), expected.detach().numpy())
    gradient = jt.grad((found * jt.array(weights.transpose(0, 2, 3, 1))).sum(), here)
    assert np.abs(gradient.numpy().transpose(0, 3, 1, 2) - there.grad.numpy()).max() < 1e-6


def test_the_last_of_equal_values_gets_the_gradient(kernels, jt):
    x = jt.array(np.array([[1, 3, 2], [3, 0, 2], [5, 5, 4]], np.float32)[None, :, :, None])
    gradient = jt.grad(kernels.max_halved(x).sum(), x).numpy()
    assert gradient[0, :, :, 0].tolist() == [[0, 0, 0], [1, 0, 1], [0, 1, 1]]


def test_what_is_no_map(kernels, jt):
    with pytest.raises(ValueError, match="max_halved: x "):
        kernels.max_halved(jt.ones((3, 4, 5)))
