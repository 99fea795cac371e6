"""Resize and pooling against PyTorch's numbers, stored and, where it can be had, computed."""

import numpy as np
import pytest


def ramp(*shape):
    return (np.arange(np.prod(shape)) * 7 % 11 - 4.0).reshape(shape)


# Of ramp(*old) in PyTorch 2.13: adaptive_avg_pool2d, or interpolate(mode="bilinear", align_corners=False), to
# `new`; and the gradient of the sum of ramp(*new) times the result.
STORED = {
    "pool 4 -> 6": (
        [
            [-4, -0.5, 3, -1, 2.5, 6], [-1, -0.25, 0.5, 2, 2.75, 3.5], [2, 0, -2, 5, 3, 1],
            [-3, 0.5, 4, 0, -2, -4], [0, 0.75, 1.5, 3, 1, -1], [3, 1, -1, 6, 4, 2],
        ],
        [[0.25, -0.75, 9, -3], [5.25, 4.25, 3, 2], [0.5, 5, -1.75, 2.75], [0, 4.5, -2.25, 2.25]],
    ),
    "pool 2 -> 3": ([[-4, -0.5, 3], [-2.5, 1, 4.5], [-1, 2.5, 6]], [[1, 0], [9, -3]]),
    "pool 5 x 7 -> 3 x 2": (
        [[0.75, 1.125], [0.91667, 0.83333], [0.625, 1]],
        [
            [-0.5, -0.5, -0.5, -0.125, 0.375, 0.375, 0.375],
            [-0.58333, -0.58333, -0.58333, 0.29167, 0.875, 0.875, 0.875],
            [-0.08333, -0.08333, -0.08333, 0.41667, 0.5, 0.5, 0.5],
            [0.16667, 0.16667, 0.16667, 0.41667, 0.25, 0.25, 0.25],
            [0.25, 0.25, 0.25, 0, -0.25, -0.25, -0.25],
        ],
    ),
    "resize 3 x 4 -> 5 x 2": (
        [[-0.5, 2.5], [-0.3, 2.7], [0, 3], [0.3, 0], [0.5, -2]],
        [[-2.3, -2.3, 3.3, 3.3], [1.8, 1.8, 0.4, 0.4], [0, 0, 2.3, 2.3]],
    ),
    "resize 2 x 3 -> 4": (
        [
            [-4, 0.375, 1.5, -1], [-1.5, 1.15625, 1.25, -1.25],
            [3.5, 2.71875, 0.75, -1.75], [6, 3.5, 0.5, -2],
        ],
        [[-2.3125, 3.28125, 6.78125], [1.8125, 5.46875, 1.96875]],
    ),
}  # fmt: skip


def operator(kind):
    from pipeline.models.resize import adaptive_pool, resize

    return {"pool": adaptive_pool, "resize": resize}[kind]


def with_gradient(jt, function, x, weights):
    x = jt.array(x.astype(np.float32))
    y = function(x, weights.shape[2:])
    return y.numpy(), jt.grad((y * jt.array(weights.astype(np.float32))).sum(), x).numpy()


@pytest.mark.parametrize("name", STORED)
def test_t10_stored_references(jt, name):
    """T10: values and gradients equal PyTorch's, 6 on 4 and 3 on 2 included."""
    expected, expected_gradient = (np.array(values, float) for values in STORED[name])
    x, weights = ramp(*expected_gradient.shape)[None, None], ramp(*expected.shape)[None, None]
    found, gradient = with_gradient(jt, operator(name.split()[0]), x, weights)
    assert np.abs(found[0, 0] - expected).max() < 1e-5
    assert np.abs(gradient[0, 0] - expected_gradient).max() < 2e-5


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("pool", (7, 5), (6, 6)),
        ("pool", (4, 3), (1, 1)),
        ("pool", (1, 1), (6, 6)),
        ("pool", (32, 20), (3, 3)),
        ("resize", (4, 9), (37, 21)),
        ("resize", (37, 21), (4, 9)),
        ("resize", (1, 2), (5, 1)),
        ("resize", (6, 6), (6, 6)),
    ],
)
def test_t10_torch(jt, rng, kind, old, new):
    """T10: values and gradients equal PyTorch's for any sizes."""
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    x, weights = rng.normal(size=(2, 3, *old)), rng.normal(size=(2, 3, *new))
    there = torch.tensor(x, requires_grad=True)
    if kind == "pool":
        expected = torch.nn.functional.adaptive_avg_pool2d(there, new)
    else:
        expected = torch.nn.functional.interpolate(there, size=new, mode="bilinear", align_corners=False)
    (expected * torch.tensor(weights)).sum().backward()
    found, gradient = with_gradient(jt, operator(kind), x, weights)
    assert np.abs(found - expected.detach().numpy()).max() < 1e-5
    assert np.abs(gradient - there.grad.numpy()).max() < 1e-4


def test_a_ramp_keeps_its_half_pixel_centres(jt):
    """Between the outermost centres, a linear ramp stays the same line in pixels of the image."""
    from pipeline.models.resize import resize

    x = np.broadcast_to((np.arange(8) + 0.5) / 8, (1, 1, 8, 8))
    found = resize(jt.array(x.astype(np.float32)), (8, 32)).numpy()[0, 0, 0]
    assert np.allclose(found[2:-2], (np.arange(32)[2:-2] + 0.5) / 32, atol=1e-6)
