"""Compares an operator with an oracle: values, and slopes along random directions."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.doctor.answers.slopes import errors
from tests.cuda_on_host.loading import use_device_sources

Oracle = Callable[..., np.ndarray]


@pytest.fixture(params=["fused", "plain", "device"])
def kernels(jt, request, monkeypatch):
    """pipeline.kernels with one of its implementations chosen.

    "device": the kernels for a GPU; without one, their sources built for the processor.
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

    See `pipeline.doctor.answers.slopes.errors`.
    """

    def run(operator: Callable, oracle: Oracle, arrays: list[np.ndarray], tolerance: float = 3e-6) -> None:
        found = errors(operator, oracle, arrays, rng)
        assert found.values < tolerance
        assert found.slopes < 10 * tolerance

    return run
