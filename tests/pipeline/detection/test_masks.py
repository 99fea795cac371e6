import numpy as np
import pytest

from pipeline.detection.masks import mask_targets, pasted


def blob(rng, height=200, width=240):
    """An ellipse with an uneven rim."""
    y, x = np.mgrid[:height, :width] + 0.5
    cy, cx = rng.uniform(0.4, 0.6, 2) * (height, width)
    ry, rx = rng.uniform(0.2, 0.3, 2) * (height, width)
    y, x = (y - cy) / ry, (x - cx) / rx
    rim = 1 + 0.03 * sum(np.cos(k * np.arctan2(y, x) + rng.uniform(0, 2 * np.pi)) for k in (2, 3))
    return np.hypot(y, x) < rim


def tight_box(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def test_targets_are_area_averages(rng):
    """Against counting quarter pixels: boxes on a grid of quarters, cells of whole quarters."""
    masks = rng.random((6, 20, 24)) < 0.5
    quarters = masks.repeat(4, axis=1).repeat(4, axis=2)
    boxes, expected = [], []
    for mask in quarters:
        cell_height, cell_width = rng.integers(3, 12, 2)
        top, left = rng.integers(0, 80 - 5 * cell_height), rng.integers(0, 96 - 5 * cell_width)
        window = mask[top : top + 5 * cell_height, left : left + 5 * cell_width]
        expected.append(window.reshape(5, cell_height, 5, cell_width).mean(axis=(1, 3)) >= 0.5)
        boxes.append(np.array([left, top, left + 5 * cell_width, top + 5 * cell_height]) / 4)
    targets = mask_targets(masks, np.array(boxes, np.float32), size=5)
    assert targets.dtype == np.float32
    assert np.array_equal(targets, expected)


def test_half_of_a_cell_is_enough():
    mask = np.zeros((1, 4, 6), bool)
    mask[0, :2] = True
    assert mask_targets(mask, np.array([[0, 0, 6, 4]], np.float32), 1).tolist() == [[[1]]]
    assert mask_targets(mask, np.array([[0, 0.5, 6, 4]], np.float32), 1).tolist() == [[[0]]]
    # Cells of a third of a pixel, in float32.
    assert mask_targets(mask, np.array([[0, 0, 1, 4]], np.float32), 3)[0].tolist() == [[1] * 3] * 2 + [
        [0] * 3
    ]


def test_outside_of_the_image_there_is_no_mask():
    masks = np.ones((3, 8, 8), bool)
    boxes = np.array([[-8, 0, 8, 8], [20, 20, 30, 30], [4, 4, 4, 4]], np.float32)
    left_half, outside, point = mask_targets(masks, boxes, 4)
    assert left_half.tolist() == [[0, 0, 1, 1]] * 4
    assert (outside == 0).all()
    assert np.isfinite(point).all()


@pytest.mark.parametrize("size", [14, 28])
@pytest.mark.parametrize("shape", [(40, 40), (97, 61), (7, 90)])
def test_pasting_equals_a_bilinear_resize(rng, size, shape):
    """Against PyTorch's bilinear interpolation (half-pixel centres), boxes on whole pixels."""
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    probabilities = rng.random((2, size, size)).astype(np.float32)
    height, width = shape
    boxes = np.array([[3, 5, 3 + width, 5 + height], [0, 0, width, height]], np.float32)
    found = pasted(probabilities, boxes, height + 9, width + 7)
    resized = torch.nn.functional.interpolate(
        torch.tensor(probabilities, dtype=torch.float64)[:, None], (height, width), mode="bilinear"
    )[:, 0].numpy()
    certain = np.abs(resized - 0.5) > 1e-6
    for mask, values, sure, (x, y, _, _) in zip(found, resized, certain, boxes.astype(int), strict=True):
        window = mask[y : y + height, x : x + width]
        assert np.array_equal(window[sure], (values >= 0.5)[sure])
        assert mask.sum() == window.sum()


def test_cropping_and_pasting_gives_the_mask_again(rng):
    """28 x 28 cells lose little of a blob, and do not move it."""
    shifts, ious = [], []
    for _ in range(20):
        mask = blob(rng)
        boxes = tight_box(mask)[None] + rng.uniform([-3, -3, 0, 0], [0, 0, 3, 3]).astype(np.float32)
        again = pasted(mask_targets(mask[None], boxes, 28), boxes, *mask.shape)[0]
        ious.append((mask & again).sum() / (mask | again).sum())
        shifts.append(np.argwhere(again).mean(axis=0) - np.argwhere(mask).mean(axis=0))
    assert np.mean(ious) >= 0.97
    assert min(ious) >= 0.96
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.1  # pixels


def test_boxes_that_leave_the_image_are_cut():
    boxes = np.array([[-4, -4, 4, 4], [6, 6, 14, 14], [50, 50, 60, 60], [3, 3, 3, 3]], np.float32)
    masks = pasted(np.ones((4, 28, 28)), boxes, height=10, width=12)
    expected = np.zeros((4, 10, 12), bool)
    expected[0, :4, :4] = expected[1, 6:, 6:] = True
    assert np.array_equal(masks, expected)


def test_nothing_to_do():
    none = np.zeros((0, 4), np.float32)
    assert mask_targets(np.zeros((0, 5, 6), bool), none, 28).shape == (0, 28, 28)
    assert pasted(np.zeros((0, 28, 28)), none, 5, 6).shape == (0, 5, 6)
