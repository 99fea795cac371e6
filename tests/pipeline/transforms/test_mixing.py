"""Weights, boxes and targets of mixup and cutmix."""

import numpy as np
import pytest

from pipeline.config.finetune import MixingConfig
from pipeline.transforms.mixing import cut_and_pasted, cutmix_box, mixed, soft_targets

MIXUP = MixingConfig(cutmix_alpha=0)
CUTMIX = MixingConfig(mixup_alpha=0)


def batch(num_images=4, height=6, width=8, num_classes=4):
    """Image i is full of i, its target is class i."""
    images = np.zeros((num_images, 3, height, width), np.float32)
    images += np.arange(num_images)[:, None, None, None]
    return images, soft_targets(np.arange(num_images), num_classes, 0.0)


def test_targets_by_hand():
    expected = [[0.025, 0.925, 0.025, 0.025], [0.925, 0.025, 0.025, 0.025]]
    np.testing.assert_allclose(soft_targets(np.array([1, 0]), 4, 0.1), expected, rtol=1e-6)
    np.testing.assert_array_equal(soft_targets(np.array([2]), 3, 0.0), [[0, 0, 1]])


@pytest.mark.parametrize("config", [MIXUP, CUTMIX, MixingConfig()])
def test_targets_say_how_much_of_each_image_is_there(config):
    for seed in range(200):
        images, targets = batch()
        found, found_targets = mixed(np.random.default_rng(seed), images, targets, config)
        assert (found.dtype, found_targets.dtype) == (np.float32, np.float32)
        np.testing.assert_allclose(found_targets.sum(axis=1), 1, rtol=1e-6)
        # An image's mean is that of the labels, weighted with its target.
        np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), found_targets @ np.arange(4), atol=1e-5)
        np.testing.assert_array_equal(images, batch()[0])
        np.testing.assert_array_equal(targets, batch()[1])


def test_mixup_by_hand():
    rng = np.random.default_rng(0)
    rng.random(2)
    weight = rng.beta(0.8, 0.8)
    images, targets = mixed(np.random.default_rng(0), *batch(), MIXUP)
    np.testing.assert_allclose(images[1], np.full((3, 6, 8), weight * 1 + (1 - weight) * 2), rtol=1e-6)
    np.testing.assert_allclose(targets[1], [0, weight, 1 - weight, 0], rtol=1e-6)


def test_cutmix_cuts_one_box_of_all_images(rng):
    images = rng.normal(size=(5, 3, 6, 8)).astype(np.float32)
    before = images.copy()
    found, weight = cut_and_pasted(images, (1, 4, 2, 8))
    assert weight == pytest.approx(1 - 18 / 48)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(found[:, :, 1:4, 2:], images[::-1, :, 1:4, 2:])
    found[:, :, 1:4, 2:] = images[:, :, 1:4, 2:]
    np.testing.assert_array_equal(found, images)


def test_boxes_have_the_share_that_is_asked_for_and_stay_inside(rng):
    boxes = np.array([cutmix_box(rng, 100, 200, 0.75) for _ in range(5000)])
    top, bottom, left, right = boxes.T
    assert ((top >= 0) & (bottom <= 100) & (left >= 0) & (right <= 200) & (top < bottom)).all()
    # A quarter of the area: half of each side, where no border cuts it off, which is for half the centres.
    whole = (bottom - top == 50) & (right - left == 100)
    assert whole.mean() == pytest.approx(0.25, abs=0.03)
    assert (bottom - top).max() == 50
    # Each side loses up to half of itself at either border: three quarters are left on average at a border.
    assert (bottom - top).mean() == pytest.approx(0.5 * 50 + 0.5 * 37.5, abs=0.5)
    top, bottom, left, right = cutmix_box(rng, 8, 8, 1.0)
    assert (bottom - top) * (right - left) == 0


def test_weights_are_beta_and_the_choice_is_even():
    weights = {"mixup": [], "cutmix": []}
    for seed in range(3000):
        images, targets = batch(2, 20, 20, 2)
        found, found_targets = mixed(np.random.default_rng(seed), images, targets, MixingConfig())
        kind = "cutmix" if np.isin(found, (0, 1)).all() else "mixup"
        weights[kind].append(float(found_targets[0, 0]))
    assert len(weights["mixup"]) == pytest.approx(1500, abs=90)
    # Beta(a, a) has the variance 1 / (4 (2 a + 1)).
    assert np.mean(weights["mixup"]) == pytest.approx(0.5, abs=0.03)
    assert np.var(weights["mixup"]) == pytest.approx(1 / (4 * 2.6), rel=0.08)


def test_batches_are_mixed_as_often_as_asked():
    config = MixingConfig(probability=0.3)
    changed = [mixed(np.random.default_rng(seed), *batch(), config)[1].max() < 1 for seed in range(2000)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.04)
    images, targets = batch()
    none = MixingConfig(mixup_alpha=0, cutmix_alpha=0)
    assert mixed(np.random.default_rng(0), images, targets, none)[0] is images


def test_an_odd_batch_keeps_its_middle_image(rng):
    images, targets = batch(3, 6, 6, 3)
    found, found_targets = mixed(rng, images, targets, MIXUP)
    np.testing.assert_allclose(found[1], images[1], rtol=1e-6)
    np.testing.assert_allclose(found_targets[1], targets[1], atol=1e-6)
