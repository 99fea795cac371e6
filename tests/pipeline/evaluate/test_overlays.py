import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.targets import IGNORED
from pipeline.evaluate.overlays import Overlay, class_colours, draw_overlays, samples, tinted


def test_colours_of_many_classes_differ():
    colours = class_colours(40)
    assert len({tuple(colour) for colour in colours.tolist()}) == 40
    distances = np.abs(colours[:, None].astype(int) - colours[None]).sum(axis=-1) + 999 * np.eye(40)
    assert distances.min() > 10
    # Neighbours in number are those that are confused with one another in a legend.
    assert np.abs(np.diff(colours.astype(int), axis=0)).sum(axis=1).min() > 80


def test_classes_tint_and_ignored_pixels_are_pale():
    image = np.zeros((1, 2, 3), np.uint8)
    found = tinted(image, np.array([[1, IGNORED]]), np.array([[0, 0, 0], [100, 200, 0]], np.uint8))
    assert found.tolist() == [[[65, 130, 0], [166, 166, 166]]]


@pytest.mark.parametrize("size", [(64, 64), (300, 500), (7, 90)])
def test_a_row_for_each_overlay_and_a_legend(tmp_path, rng, size):
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    labels = rng.integers(-1, 4, size)
    overlays = [Overlay(image, labels, np.abs(labels)) for _ in range(3)]
    draw_overlays(tmp_path / "overlay.png", overlays, ["a", "b", "c", "never there", "d"])
    with Image.open(tmp_path / "overlay.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] > 3 * 192
    assert (pixels.reshape(-1, 3) == class_colours(5)[2]).all(axis=1).any()


def test_samples_are_spread_evenly_and_fixed():
    rows = np.arange(100, 200)
    assert samples(rows, 3).tolist() == [100, 149, 199]
    assert samples(rows[:2], 5).tolist() == [100, 101]
    assert samples(rows, 0).tolist() == samples(rows[:0], 4).tolist() == []
