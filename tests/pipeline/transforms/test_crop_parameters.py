import numpy as np
import pytest

from pipeline.config.data import CropConfig
from pipeline.transforms.crop_parameters import draw_crop_parameters, random_boxes


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3), (375, 500), (33, 32)])
def test_boxes_lie_inside(rng, shape):
    sizes = np.tile(shape, (500, 1))
    boxes = random_boxes(rng, sizes, scale=(0.05, 1.0), aspect_ratio=(3 / 4, 4 / 3))
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert (boxes[:, 0] + boxes[:, 2] <= shape[1]).all()
    assert (boxes[:, 1] + boxes[:, 3] <= shape[0]).all()


def test_area_aspect_and_place_are_spread_as_asked(rng):
    sizes = np.tile((1000, 1000), (20_000, 1))
    left, top, width, height = random_boxes(rng, sizes, scale=(0.1, 0.3), aspect_ratio=(0.5, 2.0)).T
    area = width * height / 1e6
    assert area.min() > 0.098
    assert area.max() < 0.302
    assert area.mean() == pytest.approx(0.2, abs=0.002)
    log_aspect = np.log(width / height)
    assert np.abs(log_aspect).max() < np.log(2) + 0.01
    assert log_aspect.std() == pytest.approx(2 * np.log(2) / np.sqrt(12), rel=0.02)
    assert (left / (1000 - width)).mean() == pytest.approx(0.5, abs=0.01)
    assert (top / (1000 - height)).mean() == pytest.approx(0.5, abs=0.01)


def test_where_nothing_fits_the_central_box_is_taken(rng):
    # A strip of 10 x 300 has no box of 90 % of its area with an aspect below 4/3.
    boxes = random_boxes(rng, np.array([[10, 300]]), scale=(0.9, 1.0), aspect_ratio=(3 / 4, 4 / 3))
    np.testing.assert_array_equal(boxes, [[(300 - 13) // 2, 0, 13, 10]])


def test_decisions_are_as_frequent_as_configured(rng):
    config = CropConfig()
    sizes = np.tile((100, 100), (20_000, 1))
    first, second, local = (draw_crop_parameters(rng, sizes, config, size=32, role=role) for role in range(3))
    assert (first.blur_sigma > 0).all()
    assert not first.solarize.any()
    expected = {"flip": 0.5, "jitter": 0.8, "grey": 0.2, "solarize": 0.2}
    for name, share in expected.items():
        assert getattr(second, name).mean() == pytest.approx(share, abs=0.015)
    assert (second.blur_sigma > 0).mean() == pytest.approx(0.1, abs=0.01)
    assert (local.blur_sigma > 0).mean() == pytest.approx(0.5, abs=0.015)
    assert 0.1 <= first.blur_sigma.min() < 0.11
    assert 1.99 < first.blur_sigma.max() <= 2.0
    for name, strength in (("brightness", 0.4), ("contrast", 0.4), ("saturation", 0.2)):
        factors = getattr(first, name)
        assert factors.min() == pytest.approx(1 - strength, abs=0.001)
        assert factors.max() == pytest.approx(1 + strength, abs=0.001)
    assert (first.hue_shift.min(), first.hue_shift.max()) == (-25, 25)
    orders, counts = np.unique(first.order, axis=0, return_counts=True)
    assert len(orders) == 24
    assert counts.min() > 20_000 / 24 * 0.8


def test_decisions_do_not_depend_on_the_images():
    small, large = (
        draw_crop_parameters(np.random.default_rng(5), np.tile(shape, (9, 1)), CropConfig(), size=32, role=1)
        for shape in ((1, 1), (375, 500))
    )
    np.testing.assert_array_equal(small.brightness, large.brightness)
    np.testing.assert_array_equal(small.flip, large.flip)
