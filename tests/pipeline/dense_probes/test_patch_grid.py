import numpy as np
import pytest

from pipeline.datasets.targets import IGNORED
from pipeline.dense_probes import patch_grid
from pipeline.dense_probes.patch_grid import bilinear_weights, patch_labels, patch_of_pixels, pixel_classes


def test_a_pixel_belongs_to_the_patch_its_centre_lies_in():
    # Five rows on two patches: centres 0.5, 1.5 | 2.5 (on the border: the second), 3.5, 4.5.
    patches = patch_of_pixels(5, 4, (2, 2))
    assert patches[:, 0].tolist() == [0, 0, 2, 2, 2]
    assert patches[0].tolist() == [0, 0, 1, 1]


def test_patches_of_a_divisible_size_are_blocks():
    expected = np.kron(np.arange(6).reshape(2, 3), np.ones((4, 4), int))
    np.testing.assert_array_equal(patch_of_pixels(8, 12, (2, 3)), expected)


def test_labels_by_hand():
    label_map = np.array(
        [
            [1, 1, 2, 0],
            [1, 0, 0, 2],  # left: three of class 1; right: two each, the lower wins
            [-1, -1, -1, -1],
            [4, 4, -1, 4],  # left: half is ignored, the rest decides; right: more than half is ignored
        ],
        np.int16,
    )
    assert patch_labels(label_map, (2, 2), num_classes=5).tolist() == [[1, 0], [4, IGNORED]]


def test_a_patch_without_a_pixel_is_ignored():
    # One column of two pixels on four patches: the centres 0.5 and 1.5 lie in the second and the fourth.
    labels = patch_labels(np.array([[3], [2]], np.int16), (4, 1), num_classes=4)
    assert labels.ravel().tolist() == [IGNORED, 3, IGNORED, 2]


@pytest.mark.parametrize("size", [(8, 8), (13, 29), (3, 2), (40, 5)])
def test_interpolated_scores_equal_pytorch(rng, size):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    scores = rng.normal(size=(6, 5, 7)).astype(np.float32)
    rows, columns = bilinear_weights(6, size[0]), bilinear_weights(5, size[1])
    upsampled = np.einsum("yh,xw,hwk->yxk", rows, columns, scores)
    oracle = torch.nn.functional.interpolate(
        torch.from_numpy(scores).permute(2, 0, 1)[None], size=size, mode="bilinear", align_corners=False
    )[0].permute(1, 2, 0)
    np.testing.assert_allclose(upsampled, oracle.numpy(), atol=1e-5)
    classes = pixel_classes(scores, *size)
    # Where two classes are nearly equal, either may win.
    chosen = np.take_along_axis(oracle.numpy(), classes[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(chosen, oracle.numpy().max(axis=2), atol=1e-5)


def test_blocks_change_nothing(rng, monkeypatch):
    scores = rng.normal(size=(4, 6, 9)).astype(np.float32)
    whole = pixel_classes(scores, 31, 17)
    monkeypatch.setattr(patch_grid, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(pixel_classes(scores, 31, 17), whole)


def test_between_two_patches_the_border_is_half_way():
    scores = np.array([[[1, 0], [0, 1]]], np.float32)
    assert pixel_classes(scores, 1, 8)[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
