"""How an operator is compared with an oracle: values, and slopes along random directions."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.cuda_on_host.loading import use_device_sources

Oracle = Callable[..., np.ndarray]


@pytest.fixture(params=["fused", "plain", "device"])
def kernels(jt, request, monkeypatch):
    """pipeline.kernels with one of its implementations chosen.

    "device": the kernels for a GPU; where there is none, their sources built for the processor.
    """
    from pipeline import kernels

    if jt.flags.use_cuda and request.param == "fused":
        pytest.skip("on a GPU, fused kernels are those of the device")
    if request.param == "device" and not jt.flags.use_cuda:
        use_device_sources(monkeypatch)
    kernels.use("plain" if request.param == "plain" else "fused")
    if kernels.current() == "plain" and request.param != "plain":
        pytest.skip(f"no fused kernels here: {kernels.note()}")
    yield kernels
    kernels.use("fused")


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Largest difference, relative to the largest expected value."""
    assert found.shape == expected.shape
    scale = max(np.abs(expected).max(), 1e-30)
    assert np.abs(found - expected).max() / scale < tolerance


@pytest.fixture
def check(jt, rng):
    """check(operator, oracle, arrays, tolerance): the operator on float32 against the oracle on float64.

    The gradient of a random weighting of the output is compared with the oracle's central differences,
    along random directions for each input.
    """

    def run(operator: Callable, oracle: Oracle, arrays: list[np.ndarray], tolerance: float = 3e-6) -> None:
        arrays = [array.astype(np.float32) for array in arrays]
        exact = [array.astype(np.float64) for array in arrays]
        inputs = [jt.array(array) for array in arrays]
        output, expected = operator(*inputs), oracle(*exact)
        assert_close(output.numpy(), expected, tolerance)
        weighting = rng.normal(size=expected.shape).astype(np.float32)
        gradients = jt.grad((output * jt.array(weighting)).sum(), inputs)
        for index, gradient in enumerate(gradients):
            found = gradient.numpy().astype(np.float64)
            assert found.shape == arrays[index].shape
            for _ in range(3):
                direction = rng.normal(size=found.shape)
                slope = _slope(oracle, exact, index, direction, weighting.astype(np.float64))
                # The size that the sum would have if all its terms had one sign.
                size = np.abs(found * direction).sum() + 1e-9
                assert abs((found * direction).sum() - slope) < 10 * tolerance * size

    return run


def _slope(
    oracle: Oracle, exact: list[np.ndarray], index: int, direction: np.ndarray, weighting: np.ndarray
) -> float:
    step = 1e-5
    values = []
    for sign in (1.0, -1.0):
        moved = list(exact)
        moved[index] = exact[index] + sign * step * direction
        values.append((oracle(*moved) * weighting).sum())
    return (values[0] - values[1]) / (2 * step)
