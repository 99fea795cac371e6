"""Crops of float32 channels against those of RGB in 8 bits, and what is not done to them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.config.data import CropConfig
from pipeline.config.finetune import ClassificationViewConfig
from pipeline.transforms.channel_crops import render_channel_crops
from pipeline.transforms.classification import training_views
from pipeline.transforms.crop_parameters import draw_crop_parameters, plain_parameters
from pipeline.transforms.evaluation import center_crops
from pipeline.transforms.multi_crop import multi_crop
from pipeline.transforms.plain import render_crops_plain
from pipeline.transforms.rendering import image_sizes, render_crops

COLOURLESS = {"jitter_probability": 0.0, "grey_probability": 0.0, "solarize_probability": (0.0, 0.0, 0.0)}
ZERO, ONE = np.zeros(5), np.ones(5)


def numbers(rng, height, width, channels=5):
    return rng.normal(0, 1000, (height, width, channels)).astype(np.float32)


def whole(image, size, **changes):
    """Parameters of one crop of all of an image."""
    parameters = plain_parameters(np.zeros(1), np.array([[0, 0, image.shape[1], image.shape[0]]]), size=size)
    return replace(parameters, **{name: np.asarray([value]) for name, value in changes.items()})


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (37, 61), (128, 96)])
@pytest.mark.parametrize("size", [5, 32])
def test_boxes_flips_and_filter_are_those_of_rgb(rng, shape, size):
    """Levels from 64 to 191 leave room for the cubic's overshoot, which 8 bits would cut."""
    images = [rng.integers(64, 192, (*shape, 3)).astype(np.uint8) for _ in range(4)]
    config = CropConfig(blur_probability=(0.0, 0.0, 0.0), **COLOURLESS)
    parameters = draw_crop_parameters(rng, np.array([shape] * 4), config, size=size, role=1)
    ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
    rounded = render_crops_plain(images, parameters, size, scale=ones, bias=zeros)
    floats = [image.astype(np.float32) for image in images]
    found = render_channel_crops(floats, parameters, size, mean=zeros, std=ones)
    assert found.dtype == np.float32
    # Two roundings to whole levels; the cubic multiplies the first by up to 1.25.
    assert abs(found - rounded).max() <= 1.126


def test_a_box_is_resized_as_pillow_does_it_in_the_whole_image(rng):
    image, box = numbers(rng, 60, 90), (7, 5, 31, 44)
    parameters = plain_parameters(np.zeros(1), np.array([box]), size=16)
    found = render_channel_crops([image], parameters, 16, mean=ZERO, std=ONE)[0]
    for channel in range(5):
        expected = Image.fromarray(np.ascontiguousarray(image[:, :, channel])).resize(
            (16, 16), Image.Resampling.BICUBIC, box=(7, 5, 38, 49)
        )
        np.testing.assert_allclose(found[channel], expected, rtol=1e-4, atol=1e-2)


def test_a_crop_of_its_own_size_is_the_image_number_by_number(rng):
    image = rng.integers(0, 65536, (16, 16, 5)).astype(np.float32)
    found = render_crops([image], whole(image, 16), 16, mean=ZERO, std=ONE)[0]
    assert np.array_equal(found, image.transpose(2, 0, 1))
    flipped = render_crops([image], whole(image, 16, flip=True), 16, mean=ZERO, std=ONE)[0]
    assert np.array_equal(flipped, image[:, ::-1].transpose(2, 0, 1))
    mean, std = image.mean(axis=(0, 1)), image.std(axis=(0, 1))
    normed = render_crops([image], whole(image, 16), 16, mean=mean, std=std)[0]
    assert np.allclose(normed.mean(axis=(1, 2)), 0, atol=1e-4)
    assert np.allclose(normed.std(axis=(1, 2)), 1, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_blur_is_gaussian_in_every_channel(rng, sigma):
    image = numbers(rng, 16, 16)
    found = render_channel_crops([image], whole(image, 16, blur_sigma=sigma), 16, mean=ZERO, std=ONE)[0]
    expected = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest", truncate=6)
    assert abs(found - expected.transpose(2, 0, 1)).max() < 0.01 * image.std()


def test_brightness_and_contrast_change_all_channels_alike(rng):
    image = numbers(rng, 16, 16)
    changed = whole(image, 16, jitter=True, brightness=np.float32(1.5), contrast=np.float32(0.5))
    found = render_channel_crops([image], changed, 16, mean=ZERO, std=ONE)[0]
    planes = 1.5 * image.transpose(2, 0, 1)
    mean = planes.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, mean + 0.5 * (planes - mean), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    "changes",
    [
        {"grey": True},
        {"solarize": True},
        {"jitter": True, "saturation": np.float32(0.5)},
        {"jitter": True, "hue_shift": 3},
    ],
)
def test_what_needs_red_green_and_blue_is_refused(rng, changes):
    image = numbers(rng, 16, 16)
    with pytest.raises(ValueError, match="are of RGB in 8 bits"):
        render_crops([image], whole(image, 16, **changes), 16, mean=ZERO, std=ONE)


def test_views_and_evaluation_crops_have_all_channels(rng):
    images = [numbers(rng, 20, 30), numbers(rng, 40, 25)]
    config = CropConfig(global_size=16, local_size=8, num_local=2, **COLOURLESS)
    views = multi_crop(np.random.default_rng(0), images, config, mean=ZERO, std=ONE)
    assert views.global_crops.shape == (2, 2, 5, 16, 16)
    assert views.local_crops.shape == (2, 2, 5, 8, 8)
    again = multi_crop(np.random.default_rng(0), images, config, mean=ZERO, std=ONE)
    assert np.array_equal(views.global_crops, again.global_crops)
    assert center_crops(images, 16, 16, mean=ZERO, std=ONE).shape == (2, 5, 16, 16)
    view = ClassificationViewConfig(image_size=16, resize=16, num_operations=0, erase_probability=1.0)
    assert training_views(rng, images, view, mean=ZERO, std=ONE).shape == (2, 5, 16, 16)


def test_images_of_a_batch_are_of_one_kind(rng):
    with pytest.raises(ValueError, match=r"image 1 .* expected \(H, W, 5\) float32, found \(4, 4, 3\)"):
        image_sizes([numbers(rng, 4, 4), numbers(rng, 4, 4, 3)])
    with pytest.raises(ValueError, match=r"image 1 .* expected \(H, W, 3\) uint8, found \(4, 4, 3\) float32"):
        image_sizes([np.zeros((4, 4, 3), np.uint8), numbers(rng, 4, 4, 3)])
    image = numbers(rng, 16, 16)
    with pytest.raises(ValueError, match="expected images of 3 channels, found 5"):
        render_crops([image], whole(image, 16), 16, mean=np.zeros(3), std=np.ones(3))
