import threading

import numpy as np
import pytest

from pipeline.config.data import CropConfig
from pipeline.transforms import rendering
from pipeline.transforms.multi_crop import multi_crop

MEAN, STD = np.full(3, 0.5), np.full(3, 0.25)
CONFIG = CropConfig(global_size=32, local_size=16, num_local=3)


@pytest.fixture
def images(rng):
    shapes = [(40, 50), (1, 1), (9, 100), (64, 32)]
    return [rng.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in shapes]


def crops_of(images, seed=3):
    return multi_crop(np.random.default_rng(seed), images, CONFIG, mean=MEAN, std=STD)


def test_shapes_and_types(images):
    crops = crops_of(images)
    assert crops.global_crops.shape == (2, 4, 3, 32, 32)
    assert crops.local_crops.shape == (3, 4, 3, 16, 16)
    assert crops.global_crops.dtype == crops.local_crops.dtype == np.float32
    none = multi_crop(np.random.default_rng(0), images, CropConfig(global_size=32), mean=MEAN, std=STD)
    assert none.local_crops.shape[:2] == (0, 4)


def test_same_state_same_bytes_in_any_thread(images):
    expected, found = crops_of(images), {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: crops_of(images)})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for crops in found.values():
        np.testing.assert_array_equal(crops.global_crops, expected.global_crops)
        np.testing.assert_array_equal(crops.local_crops, expected.local_crops)
    assert len(found) == 4
    assert (crops_of(images, seed=4).global_crops != expected.global_crops).any()


def test_without_a_compiler_the_crops_are_the_same(images, monkeypatch):
    expected = crops_of(images)
    monkeypatch.setattr(rendering, "implementation", lambda: "pillow")
    np.testing.assert_allclose(crops_of(images).global_crops, expected.global_crops, atol=1e-6)


def test_a_crop_comes_from_its_own_image():
    images = [np.full((20, 20, 3), level, np.uint8) for level in (10, 120, 240)]
    still = CropConfig(
        global_size=8, jitter_probability=0, blur_probability=(0, 0, 0), solarize_probability=(0, 0, 0)
    )
    crops = multi_crop(np.random.default_rng(0), images, still, mean=np.zeros(3), std=np.full(3, 1 / 255))
    for b, level in enumerate((10, 120, 240)):
        np.testing.assert_allclose(crops.global_crops[:, b], level, atol=1e-3)
