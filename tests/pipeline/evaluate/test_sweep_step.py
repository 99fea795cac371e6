"""The compiled step of a sweep beside the same step in float64, on vectors of every length."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluate import linear_probe
from pipeline.evaluate.probes.settings import LinearConfig
from pipeline.evaluate.sweep_step import compiled_step
from tests.pipeline.evaluate.test_neighbours import INSTRUCTIONS

ROOT = Path(linear_probe.__file__).parents[2]
# Images, channels, classes, rates: remainders of every block, strip, tile and group; a dimension of more than
# one part; more rows than a group has; one class.
SIZES = [
    (1, 1, 2, 1),
    (7, 3, 4, 2),
    (64, 16, 15, 45),
    (300, 33, 15, 45),
    (257, 289, 5, 3),
    (65, 800, 3, 2),
    (20, 9, 300, 2),
    (20, 9, 1, 2),
]
MOMENTUM = 0.9


def in_float64(features, labels, lrs, weights, velocity):
    """Weights and velocity after the step, from the gradient of the mean loss by its textbook formula."""
    images = np.column_stack((features, np.ones(len(features)))).astype(np.float64)
    logits = np.einsum("lcd,bd->lbc", weights.astype(np.float64), images)
    if labels.ndim == 1:
        wanted = np.eye(weights.shape[1])[labels]
        shares = np.exp(logits - logits.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
    else:
        wanted, shares = labels, np.exp(-np.logaddexp(0, -logits))
    gradient = np.einsum("lbc,bd->lcd", shares - wanted, images) / len(images)
    velocity = MOMENTUM * velocity.astype(np.float64) + gradient
    return weights - lrs[:, None, None].astype(np.float64) * velocity, velocity


def problem(rng, several, num_images, num_channels, num_classes, num_rates):
    """Logits from small to some tens: shares from even to all but 0 and 1."""
    features = rng.normal(size=(num_images, num_channels)).astype(np.float32)
    shape = (num_rates, num_classes, num_channels + 1)
    scales = np.geomspace(0.1, 20 / np.sqrt(num_channels), num_rates)[:, None, None]
    weights, velocity = ((rng.normal(size=shape) * scale).astype(np.float32) for scale in (scales, 0.1))
    lrs = np.geomspace(1e-3, 1, num_rates).astype(np.float32)
    labels = rng.integers(num_classes, size=num_images)
    if several:
        labels = (rng.random((num_images, num_classes)) < 0.3).astype(np.int8)
    return features, labels, lrs, weights, velocity


@pytest.fixture(params=INSTRUCTIONS, ids=" ".join)
def step_of(request):
    """The steps for one class an image and for several, compiled with some instructions left out."""
    steps = {axes: compiled_step(axes, tuple(request.param)) for axes in (1, 2)}
    if None in steps.values():
        pytest.skip("nothing can be compiled here")
    return steps


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_one_step(step_of, rng, sizes, several):
    features, labels, lrs, weights, velocity = problem(rng, several, *sizes)
    expected = in_float64(features, labels, lrs, weights, velocity)
    step_of[labels.ndim](features, labels, lrs, MOMENTUM, weights, velocity)
    for found, wanted in zip((weights, velocity), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("several", [False, True])
def test_a_rate_has_the_same_weights_alone(step_of, rng, several):
    features, labels, lrs, weights, velocity = problem(rng, several, 300, 33, 15, 45)
    alone = [weights[[30]], velocity[[30]]]  # copies
    step_of[labels.ndim](features, labels, lrs, MOMENTUM, weights, velocity)
    step_of[labels.ndim](features, labels, lrs[[30]], MOMENTUM, *alone)
    np.testing.assert_array_equal(alone[0][0], weights[30])
    np.testing.assert_array_equal(alone[1][0], velocity[30])


@pytest.mark.parametrize("several", [False, True])
def test_a_rate_that_is_not_finite_changes_no_other(step_of, rng, several):
    features, labels, lrs, weights, velocity = problem(rng, several, 64, 16, 5, 9)
    weights[4, 2, 3] = np.inf
    others = (np.delete(array, 4, axis=0) for array in (lrs, weights, velocity))
    expected, _ = in_float64(features, labels, *others)
    step_of[labels.ndim](features, labels, lrs, MOMENTUM, weights, velocity)
    assert not np.isfinite(weights[4]).all()
    np.testing.assert_allclose(np.delete(weights, 4, 0), expected, rtol=2e-5, atol=2e-6)


_TRAINED = """
import sys
import numpy as np
from pipeline.evaluate.linear_probe import train_sweep
from pipeline.evaluate.probes.settings import LinearConfig

rng = np.random.default_rng(0)
features, labels = rng.normal(size=(700, 40)).astype(np.float32), rng.integers(7, size=700)
config = LinearConfig(epochs=3, batch_size=300)
np.save(sys.argv[1], train_sweep(features, labels, config, num_classes=7, rng=rng).weights)
"""


def test_threads_change_nothing(tmp_path):
    if compiled_step(1) is None:
        pytest.skip("nothing can be compiled here")
    for threads in ("1", "2", "5"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", _TRAINED, str(tmp_path / threads)]
        subprocess.run(command, env=environment, check=True)
    one, *others = (np.load(tmp_path / f"{threads}.npy") for threads in (1, 2, 5))
    for other in others:
        np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("several", [False, True])
def test_numpy_gives_the_same(monkeypatch, rng, several):
    features, labels, *_ = problem(rng, several, 300, 33, 15, 45)
    # At higher rates a difference in rounding grows with every step.
    config = LinearConfig(epochs=3, batch_size=128, base_lrs=(0.001, 0.01, 0.05))
    sweeps = []
    for step in (compiled_step, lambda axes: None):
        monkeypatch.setattr(linear_probe, "compiled_step", step)
        given = {"num_classes": 15, "rng": np.random.default_rng(0)}
        sweeps.append(linear_probe.train_sweep(features, labels, config, **given))
    np.testing.assert_allclose(sweeps[0].weights, sweeps[1].weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(sweeps[0].biases, sweeps[1].biases, rtol=1e-4, atol=1e-6)
