"""Compiled and plain rendering against each other and against Pillow itself."""

import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from pipeline.config.data import CropConfig
from pipeline.transforms import native
from pipeline.transforms.crop_parameters import draw_crop_parameters, plain_parameters
from pipeline.transforms.plain import render_crops_plain
from pipeline.transforms.rendering import implementation, render_crops

ONE, ZERO = np.ones(3, np.float32), np.zeros(3, np.float32)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(params=["native", "pillow"])
def render(request):
    """Both implementations, with 8-bit values as output."""
    if request.param == "native" and implementation() != "native":
        pytest.skip("no C++ compiler here")
    function = native.render_crops_native if request.param == "native" else render_crops_plain
    return lambda images, parameters, size: function(images, parameters, size, scale=ONE, bias=ZERO)


def noise(rng, height, width):
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


def one_crop(render, image, size, **changes):
    """The (size, size, 3) uint8 crop of all of `image`."""
    parameters = plain_parameters(np.zeros(1), np.array([[0, 0, image.shape[1], image.shape[0]]]), size=size)
    changes = {name: np.asarray([value]) for name, value in changes.items()}
    return render([image], replace(parameters, **changes), size)[0].transpose(1, 2, 0).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 500), (500, 3), (32, 32), (37, 61), (375, 500)])
@pytest.mark.parametrize("size", [5, 32, 96, 224])
def test_native_equals_plain(rng, shape, size):
    if implementation() != "native":
        pytest.skip("no C++ compiler here")
    images = [noise(rng, *shape)] * 6
    config = CropConfig(blur_probability=(0.5, 0.5, 0.5), solarize_probability=(0.2, 0.2, 0.2))
    parameters = draw_crop_parameters(rng, np.array([shape] * 6), config, size=size, role=1)
    compiled = native.render_crops_native(images, parameters, size, scale=ONE, bias=ZERO)
    plain = render_crops_plain(images, parameters, size, scale=ONE, bias=ZERO)
    np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize("box", [(0, 0, 90, 60), (7, 5, 31, 44), (80, 50, 10, 10), (89, 59, 1, 1)])
@pytest.mark.parametrize("size", [16, 33, 128])
def test_resize_is_pillows(rng, render, box, size):
    left, top, width, height = box
    image = noise(rng, 60, 90)
    parameters = plain_parameters(np.zeros(1), np.array([box]), size=size)
    expected = Image.fromarray(image).resize(
        (size, size), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height)
    )
    found = render([image], parameters, size)[0].transpose(1, 2, 0)
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_resize_weights_by_hand(render):
    # Halving a step edge. The output pixel whose centre is 1 before the edge sees bright pixels at distances
    # 1.5, 2.5 and 3.5, which the filter, stretched to twice its width, takes as 0.75, 1.25 and 1.75.
    def cubic(x):
        return 1.5 * x**3 - 2.5 * x**2 + 1 if x < 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2

    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 200
    bright = sum(cubic(x) for x in (0.75, 1.25, 1.75))
    total = 2 * sum(cubic(x) for x in (0.25, 0.75, 1.25, 1.75))
    assert one_crop(render, image, 16)[8, 7, 0] == round(max(0.0, 200 * bright / total))


def test_flip_is_the_mirror_image(rng, render):
    image = noise(rng, 20, 33)
    flipped = one_crop(render, image, 24, flip=True)
    np.testing.assert_array_equal(flipped, one_crop(render, image, 24)[:, ::-1])


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.37])
@pytest.mark.parametrize(
    ("name", "enhancer"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ],
)
def test_adjustments_are_pillows(rng, render, name, enhancer, factor):
    image = noise(rng, 40, 40)
    expected = enhancer(Image.fromarray(image)).enhance(float(np.float32(factor)))
    found = one_crop(render, image, 40, jitter=True, **{name: np.float32(factor)})
    # Jitter with hue shift 0 still goes through 8-bit HSV, which loses a little.
    expected = expected.convert("HSV").convert("RGB")
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_hue_turns_every_colour(render):
    # All 64^3 colours in steps of 4, as one image.
    levels = np.arange(2, 256, 4, dtype=np.uint8)
    image = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(512, 512, 3)
    found = one_crop(render, image, 512, jitter=True, hue_shift=np.int32(85)).astype(int)
    # A third of a turn moves red to green, green to blue, blue to red. A unit of hue, 1/255 of a turn, is 6
    # levels: one is lost to truncation, one more where it wraps (at 256); saturation and rounding cost 1.5.
    assert np.abs(found - image[..., [2, 0, 1]]).max() <= 13
    assert np.abs(found - image[..., [2, 0, 1]]).mean() < 2.5


def test_order_of_adjustments_matters_and_is_kept(rng, render):
    image = noise(rng, 16, 16)
    order = np.array([1, 0, 2, 3], np.uint8)
    factors = {"brightness": np.float32(0.7), "contrast": np.float32(1.4)}
    steps = ImageEnhance.Contrast(Image.fromarray(image)).enhance(float(factors["contrast"]))
    steps = ImageEnhance.Brightness(steps).enhance(float(factors["brightness"]))
    expected = np.asarray(steps.convert("HSV").convert("RGB"))
    np.testing.assert_array_equal(one_crop(render, image, 16, jitter=True, order=order, **factors), expected)
    assert (one_crop(render, image, 16, jitter=True, **factors) != expected).any()


def test_grey_is_luma(rng, render):
    image = noise(rng, 31, 31)
    found = one_crop(render, image, 31, grey=True)
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(found - luma[..., None]).max() <= 0.51


def test_solarize_inverts_the_bright(rng, render):
    image = noise(rng, 31, 31)
    expected = np.asarray(ImageOps.solarize(Image.fromarray(image), 128))
    np.testing.assert_array_equal(one_crop(render, image, 31, solarize=True), expected)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 1.7, 2.0, 4.0])
@pytest.mark.parametrize("size", [1, 2, 17, 64])
def test_blur_is_pillows(rng, render, sigma, size):
    image = noise(rng, size, size)
    sigma = np.float32(sigma)
    expected = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(float(sigma))))
    np.testing.assert_array_equal(one_crop(render, image, size, blur_sigma=sigma), expected)


def test_blur_spreads_like_a_gaussian(render):
    image = np.zeros((41, 41, 3), np.uint8)
    image[:, 20] = 255
    profile = one_crop(render, image, 41, blur_sigma=np.float32(2.0))[20, :, 0].astype(float)
    gauss = 255 * np.exp(-((np.arange(41) - 20) ** 2) / 8) / (2 * math.sqrt(2 * math.pi))
    assert np.abs(profile - gauss).max() < 3


def test_normalised_by_mean_and_std(rng):
    image = noise(rng, 24, 24)
    parameters = plain_parameters(np.zeros(1), np.array([[0, 0, 24, 24]]), size=24)
    found = render_crops([image], parameters, 24, mean=MEAN, std=STD)[0]
    np.testing.assert_allclose(found, ((image / 255 - MEAN) / STD).transpose(2, 0, 1), atol=2e-6)


def test_views_of_larger_arrays_are_rendered_right(rng):
    big = noise(rng, 30, 60)
    view = big[:, ::2]
    view.flags.writeable = False
    parameters = plain_parameters(np.zeros(1), np.array([[0, 0, 30, 30]]), size=30)
    found = render_crops([view], parameters, 30, mean=np.zeros(3), std=np.full(3, 1 / 255))[0]
    np.testing.assert_allclose(found, view.transpose(2, 0, 1))


def test_wrong_images_and_boxes_are_named(rng):
    parameters = plain_parameters(np.zeros(1), np.array([[0, 0, 9, 8]]), size=4)
    with pytest.raises(ValueError, match=r"image 1 .* found \(8, 8\) uint8"):
        render_crops([noise(rng, 8, 9), np.zeros((8, 8), np.uint8)], parameters, 4, mean=MEAN, std=STD)
    with pytest.raises(ValueError, match="outside its image"):
        render_crops([noise(rng, 8, 8)], parameters, 4, mean=MEAN, std=STD)
    bad = replace(parameters, image=np.array([1], np.int32))
    with pytest.raises(ValueError, match="beyond the 1 given"):
        render_crops([noise(rng, 8, 9)], bad, 4, mean=MEAN, std=STD)
