"""Crops made by the device sources against those of the processor's library: equal to the level.

Where there is no GPU, the sources run built for the processor. Nothing is left to a tolerance: whole numbers
and correctly rounded single operations have one result on every machine.
"""

from dataclasses import replace

import numpy as np
import pytest
from skimage import data

from pipeline.config.data import CropConfig
from pipeline.transforms import native
from pipeline.transforms.crop_parameters import draw_crop_parameters, joined, plain_parameters
from pipeline.transforms.packing import pack
from pipeline.transforms.rendering import render_crops
from tests.pipeline.transforms.device_sources import load_on_device

ONE, ZERO = np.ones(3, np.float32), np.zeros(3, np.float32)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def on_device(jt):
    return load_on_device(jt)


@pytest.fixture(scope="module")
def photographs():
    """Of odd sizes and shapes, with light, shadow and saturated colours."""
    astronaut, cat, coffee = data.astronaut(), data.chelsea(), data.coffee()
    return [
        astronaut[::3, ::3],
        cat[::3, ::2],
        coffee[100:301:2, 50:181],
        astronaut[:90, 100:121],
        coffee[::7, ::7],
    ]


def check(on_device, images, parameters, size):
    """The device's crops, equal to the processor's."""
    (found,) = on_device.rendered(pack(images, [(parameters, size)]))
    expected = native.render_crops_native(
        [np.ascontiguousarray(image) for image in images], parameters, size, scale=ONE, bias=ZERO
    )
    assert found.dtype == "uint8"
    np.testing.assert_array_equal(found.numpy(), expected)
    return expected


STEPS = {
    "resize": {},
    "flip": {"flip": True},
    "grey": {"grey": True},
    "solarize": {"solarize": True},
    "darker": {"jitter": True, "brightness": 0.63},
    "brighter": {"jitter": True, "brightness": 1.4},
    "contrast": {"jitter": True, "contrast": 1.37},
    "faded": {"jitter": True, "contrast": 0.0},
    "saturation": {"jitter": True, "saturation": 1.2},
    "hue": {"jitter": True, "hue_shift": 25},
    "hue backward": {"jitter": True, "hue_shift": -25},
    "slight blur": {"blur_sigma": 0.3},
    "blur": {"blur_sigma": 1.3},
    "strong blur": {"blur_sigma": 2.0},
    "wide blur": {"blur_sigma": 9.0},
    "blur, then solarize": {"blur_sigma": 1.0, "solarize": True},
}


@pytest.mark.parametrize("size", [16, 29])
@pytest.mark.parametrize("step", STEPS)
def test_each_step_alone(on_device, photographs, step, size):
    def crops(changes):
        parameters = plain_parameters(np.arange(len(photographs)), boxes, size=size)
        changes = {
            name: np.full(len(photographs), value, getattr(parameters, name).dtype)
            for name, value in changes.items()
        }
        return check(on_device, photographs, replace(parameters, **changes), size)

    boxes = np.array([[3, 2, image.shape[1] - 5, image.shape[0] - 4] for image in photographs])
    changed = crops(STEPS[step])
    assert (step == "resize") == np.array_equal(changed, crops({})), "the step is seen"


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)])
def test_orders_of_adjustments(on_device, photographs, order):
    box = np.array([[0, 0, photographs[0].shape[1], photographs[0].shape[0]]])
    parameters = replace(
        plain_parameters(np.zeros(1), box, size=40),
        jitter=np.ones(1, bool),
        order=np.array([order], np.uint8),
        brightness=np.array([0.8], np.float32),
        contrast=np.array([1.3], np.float32),
        saturation=np.array([0.85], np.float32),
        hue_shift=np.array([11], np.int32),
    )
    check(on_device, photographs, parameters, 40)


@pytest.mark.slow
def test_two_hundred_random_draws(on_device, photographs, rng):
    config = CropConfig(
        blur_probability=(1.0, 0.1, 0.5), solarize_probability=(0.1, 0.2, 0.2), blur_sigma=(0.1, 4.0)
    )
    sizes = np.array([image.shape[:2] for image in photographs])
    for size in (7, 20, 24, 33):
        draws = [
            draw_crop_parameters(rng, sizes, config, size=size, role=index % 3) for index in range(10)
        ]  # of 5 images each
        check(on_device, photographs, joined(draws), size)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 300), (300, 3), (32, 32)])
@pytest.mark.parametrize("size", [1, 2, 5, 32])
def test_extreme_shapes(on_device, rng, shape, size):
    images = [rng.integers(0, 256, (*shape, 3)).astype(np.uint8)] * 3
    config = CropConfig(blur_probability=(0.5, 0.5, 0.5), solarize_probability=(0.2, 0.2, 0.2))
    parameters = draw_crop_parameters(rng, np.array([shape] * 3), config, size=size, role=1)
    check(on_device, images, parameters, size)


def test_window_within_the_resized_box(on_device, photographs):
    box = np.array([[4, 6, 130, 90], [0, 0, 60, 60]])
    parameters = replace(
        plain_parameters(np.array([0, 1]), box, size=24),
        resized=np.array([[50, 31], [90, 77]], np.int32),
        window=np.array([[26, 0], [13, 40]], np.int32),
        flip=np.array([True, False]),
    )
    check(on_device, photographs, parameters, 24)


def test_two_sizes_in_one_pack_and_normalised(on_device, photographs, rng):
    sizes = np.array([image.shape[:2] for image in photographs])
    orders = [
        (draw_crop_parameters(rng, sizes, CropConfig(), size=size, role=role), size)
        for size, role in ((30, 0), (15, 2))
    ]
    pixels = on_device.rendered(pack(photographs, orders))
    for (parameters, size), found in zip(orders, pixels, strict=True):
        expected = render_crops(photographs, parameters, size, mean=MEAN, std=STD)
        np.testing.assert_array_equal(on_device.normalised(found, mean=MEAN, std=STD).numpy(), expected)


def test_a_large_crop_is_blurred_in_narrower_strips(on_device, rng):
    size = 900  # 32 columns of it are more than the shared memory that every card has
    image = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    parameters = plain_parameters(np.zeros(1), np.array([[0, 0, 8, 8]]), size=size)
    check(on_device, [image], replace(parameters, blur_sigma=np.array([2.0], np.float32)), size)
