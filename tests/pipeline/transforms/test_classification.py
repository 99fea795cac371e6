from dataclasses import replace

import numpy as np
import pytest

from pipeline.config.finetune import ClassificationViewConfig
from pipeline.transforms.classification import training_views
from pipeline.transforms.crop_parameters import plain_parameters, random_boxes
from pipeline.transforms.rendering import image_sizes, render_crops

MEAN, STD = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.25, 0.3])
PLAIN = ClassificationViewConfig(image_size=16, resize=16, num_operations=0, erase_probability=0)


def images_of(rng, count=12):
    return [rng.integers(0, 256, (*rng.integers(10, 40, 2), 3)).astype(np.uint8) for _ in range(count)]


def test_without_augmentation_a_view_is_a_flipped_random_box(rng):
    images, drawn = images_of(rng), np.random.default_rng(1)
    found = training_views(np.random.default_rng(1), images, PLAIN, mean=MEAN, std=STD)
    boxes = random_boxes(drawn, image_sizes(images), scale=(0.08, 1.0), aspect_ratio=(3 / 4, 4 / 3))
    parameters = replace(plain_parameters(np.arange(12), boxes, size=16), flip=drawn.random(12) < 0.5)
    expected = render_crops(images, parameters, 16, mean=MEAN, std=STD)
    assert (found.shape, found.dtype) == ((12, 3, 16, 16), np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_views_repeat_with_their_generator_only(rng):
    images = images_of(rng)
    config = ClassificationViewConfig(image_size=16, resize=16)
    first, again, other = (
        training_views(np.random.default_rng(seed), images, config, mean=MEAN, std=STD) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_is_drawn_after_normalising(rng):
    # Black images: a normalised pixel is -mean / std, and what is erased is standard normal.
    config = PLAIN.model_copy(update={"erase_probability": 1.0})
    images = [np.zeros((16, 16, 3), np.uint8)] * 200
    views = training_views(rng, images, config, mean=MEAN, std=STD)
    black = np.abs(views - (-MEAN / STD)[:, None, None]) < 1e-5
    noise = views[~black]
    assert 0.6 < black.mean() < 0.9
    assert noise.mean() == pytest.approx(0, abs=0.03)
    assert noise.std() == pytest.approx(1, abs=0.03)
