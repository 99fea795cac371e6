"""MAE: what the student may see, targets and their order, on bases that leave patches out and that do not."""

import numpy as np
import pytest

from tests.pipeline.pretrain.small_run import a_batch_of_method, config_of_method


def network_and_masks(config, batch):
    from pipeline.models.mae import PatchMasks
    from pipeline.pretrain.step import initial_state

    return initial_state(config).student, PatchMasks.of(batch.masks.reshape(-1, *batch.masks.shape[2:]))


def predictions_of(network, crops, patch_masks):
    import jittor as jt

    predictions = network.predictions(jt.array(crops.astype(np.float32)), patch_masks)
    return [
        x.numpy()
        for x in (predictions.pixels, predictions.features, predictions.auxiliary_pixels, predictions.cls)
    ]


@pytest.mark.parametrize("leaves_out", [True, False])
def test_hidden_pixels_have_no_influence_and_visible_ones_have(jt, rng, leaves_out, monkeypatch):
    from pipeline.models.vit import VisionTransformer

    if not leaves_out:
        monkeypatch.delattr(VisionTransformer, "visible_tokens")
    config = config_of_method("mae", head=True)
    batch = a_batch_of_method(config, rng)
    network, patch_masks = network_and_masks(config, batch)
    assert network.hides == leaves_out
    crops = batch.flat_global_crops
    hidden = np.kron(patch_masks.masks, np.ones((6, 6), bool))[:, None]
    noise = 10 * rng.normal(size=crops.shape)
    before = predictions_of(network, crops, patch_masks)
    for found, expected in zip(
        predictions_of(network, crops + noise * hidden, patch_masks), before, strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(
        predictions_of(network, crops + noise * ~hidden, patch_masks), before, strict=True
    ):
        assert np.abs(found - expected).max() > 1e-4


def test_a_base_with_mask_token_trains_it(jt, rng, monkeypatch):
    from pipeline.models.vit import VisionTransformer
    from pipeline.models.weights import named_arrays
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.step import initial_state, train_step

    monkeypatch.delattr(VisionTransformer, "visible_tokens")
    config = config_of_method("mae", head=True)
    state = initial_state(config)
    before = named_arrays(state.student)
    rates = Schedule(config.schedule, config.objective, num_images=4).at(0)
    state, outcome = train_step(state, a_batch_of_method(config, rng), rates, config)
    after = named_arrays(state.student)
    assert [name for name in before if np.array_equal(before[name], after[name])] == []
    assert np.isfinite(outcome.losses.total.item())


def test_visible_tokens_alone_are_the_tokens_of_a_network_without_the_others(jt, rng):
    """Whole images by another route: all patches seen, in another order, give the ordinary forward pass."""
    config = config_of_method("mae", head=False)
    network, _ = network_and_masks(config, a_batch_of_method(config, rng))
    images = jt.array(rng.normal(size=(3, 3, 24, 24)).astype(np.float32))
    order = np.stack([rng.permutation(16) for _ in range(3)]).astype(np.int32)
    some, every = network.backbone.visible_tokens(images, order), network.backbone(images)
    np.testing.assert_allclose(some.cls.numpy(), every.cls.numpy(), atol=2e-5)
    expected = np.take_along_axis(every.patches.numpy(), order[..., None], axis=1)
    np.testing.assert_allclose(some.patches.numpy(), expected, atol=2e-5)


def test_targets_are_normalised_pixels_of_the_hidden_patches(rng):
    from pipeline.models.mae import PatchMasks
    from pipeline.pretrain.methods.mae import hidden_pixels

    masks = np.array([[[True, False], [False, True]], [[False, True], [True, False]]])
    patch_masks = PatchMasks.of(masks)
    crops = rng.normal(2, 3, size=(2, 3, 8, 8)).astype(np.float32)
    plain = hidden_pixels(crops, patch_masks, 4, normalize=False)
    corners = [(0, 0, 0), (0, 4, 4), (1, 0, 4), (1, 4, 0)]
    for row, (image, top, left) in zip(plain, corners, strict=True):
        np.testing.assert_array_equal(row, crops[image, :, top : top + 4, left : left + 4].ravel())
    normed = hidden_pixels(crops, patch_masks, 4, normalize=True)
    wide = plain.astype(np.float64)
    expected = wide - wide.mean(axis=1, keepdims=True)
    expected /= np.sqrt((expected**2).sum(axis=1, keepdims=True) / 47 + 1e-6)
    np.testing.assert_allclose(normed, expected, rtol=1e-4, atol=1e-5)


def test_mean_square_equals_numpy(jt, rng):
    from pipeline.pretrain.methods.mae import mean_square

    guess, target = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    given = jt.array(guess.astype(np.float32))
    value = mean_square(given, jt.array(target.astype(np.float32)))
    assert value.item() == pytest.approx(np.mean((guess - target) ** 2), rel=1e-6)
    (slope,) = jt.grad(value, [given])
    np.testing.assert_allclose(slope.numpy(), 2 * (guess - target) / 35, rtol=1e-5, atol=1e-7)


def test_crops_that_hide_unequally_many_patches_are_refused(jt, rng):
    from pipeline.models.mae import PatchMasks

    batch = a_batch_of_method(config_of_method("mae", head=False), rng)
    masks = batch.masks.reshape(-1, 4, 4).copy()
    masks[0] = False
    with pytest.raises(ValueError, match=r"equally many patches .* found \[0, 12\]"):
        PatchMasks.of(masks)
