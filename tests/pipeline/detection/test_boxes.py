import math

import numpy as np
import pytest

from pipeline.detection.boxes import clipped, decode, decode_gradient, encode

STDS = (0.1, 0.1, 0.2, 0.2)


def test_no_boxes():
    none = np.zeros((0, 4), np.float32)
    assert encode(none, none, STDS).shape == decode(none, none, STDS).shape == (0, 4)
    assert clipped(none, 5, 5).shape == (0, 4)
    assert decode_gradient(none, none, none, STDS).shape == (0, 4)


def test_a_known_step():
    proposal = np.array([[10, 20, 30, 60]], np.float32)  # centre 20, 40; 20 x 40
    moved = np.array([[20, 20, 40, 60]], np.float32)
    grown = np.array([[0, 20, 40, 60]], np.float32)
    assert encode(moved, proposal, STDS)[0] == pytest.approx([0.5 / 0.1, 0, 0, 0])
    assert encode(grown, proposal, STDS)[0] == pytest.approx([0, 0, math.log(2) / 0.2, 0])


@pytest.mark.parametrize("extent", [1, 8, 100, 1000])
def test_decode_is_the_inverse_of_encode(random_boxes, extent):
    """T21: encode and decode are inverse to 4e-6 of the image's extent."""
    boxes, proposals = random_boxes(500, extent), random_boxes(500, extent)
    deltas = encode(boxes, proposals, STDS)
    assert deltas.dtype == np.float32
    assert np.abs(decode(deltas, proposals, STDS) - boxes).max() <= 4e-6 * extent


def test_deltas_of_any_size_stay_finite(random_boxes):
    """T21: deltas of 1e4 give finite boxes; sides change by a factor of 62.5 at most, then slopes are 0."""
    proposals = random_boxes(2, 100)
    for sign in (1, -1):
        deltas = np.full((2, 4), sign * 1e4, np.float32)
        boxes = decode(deltas, proposals, STDS)
        assert np.isfinite(boxes).all()
        slopes = decode_gradient(np.ones((2, 4)) * [1, 2, 3, 4], deltas, proposals, STDS)
        assert np.isfinite(slopes).all()
        assert not slopes[:, 2:].any()
        ratio = (boxes[:, 2:] - boxes[:, :2]) / (proposals[:, 2:] - proposals[:, :2])
        assert ratio == pytest.approx(62.5**sign, rel=0.1)


def test_degenerate_boxes_encode_to_finite_numbers():
    point, box = np.array([[5, 5, 5, 5]], np.float32), np.array([[0, 0, 10, 10]], np.float32)
    for deltas in (encode(point, box, STDS), encode(box, point, STDS), encode(point, point, STDS)):
        assert np.isfinite(deltas).all()
    assert decode(np.ones((1, 4), np.float32), point, STDS)[0].tolist() == [5, 5, 5, 5]


def test_gradient_of_decoding(random_boxes, rng):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    proposals = random_boxes(20, 100)
    deltas = rng.normal(size=(20, 4)).astype(np.float32)
    weights = rng.normal(size=(20, 4)).astype(np.float32)

    exact = torch.tensor(deltas, dtype=torch.float64, requires_grad=True)
    x1, y1, x2, y2 = torch.tensor(proposals, dtype=torch.float64).T
    dx, dy, dw, dh = (exact * torch.tensor(STDS, dtype=torch.float64)).T
    x, y = (x1 + x2) / 2 + dx * (x2 - x1), (y1 + y2) / 2 + dy * (y2 - y1)
    w, h = (x2 - x1) * dw.exp(), (y2 - y1) * dh.exp()
    expected = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dim=1)
    (expected * torch.tensor(weights)).sum().backward()

    gradient = decode_gradient(weights, deltas, proposals, STDS)
    assert np.allclose(decode(deltas, proposals, STDS), expected.detach().numpy(), rtol=1e-5, atol=1e-4)
    assert np.allclose(gradient, exact.grad.numpy(), rtol=1e-5, atol=1e-4)


def test_clipping():
    boxes = np.array([[-5, -5, 4, 4], [3, 2, 30, 20], [40, 40, 50, 50]], np.float32)
    assert clipped(boxes, height=10, width=20).tolist() == [
        [0, 0, 4, 4],
        [3, 2, 20, 10],
        [20, 10, 20, 10],
    ]
    assert clipped(boxes, 10, 20).dtype == np.float32
