"""What holds for every kind of head, and what tells the architectures apart."""

import numpy as np
import pytest

from tests.pipeline.models.auxiliary_heads.small_head import DIM, KINDS, build, random_map, scrambled


@pytest.mark.parametrize("kind", KINDS)
def test_pools_first_and_normalises_after(jt, rng, kind):
    head = scrambled(build(kind, first_shortcut=True), rng)
    for name, value in (("weight", 1.0), ("bias", 0.0)):
        getattr(head.norm, name).assign(jt.full((DIM,), value))
    feature_map = jt.array(random_map(rng))
    found, pooled = head(feature_map).numpy(), head.mixed(feature_map).numpy().mean(axis=(1, 2))
    assert found.shape == (2, DIM)
    centred = pooled - pooled.mean(axis=1, keepdims=True)
    assert np.abs(found - centred / pooled.std(axis=1, keepdims=True)).max() < 1e-3


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_vector_is_the_norm_of_the_maps_mean(jt, rng, kind, depth):
    """Values and gradients, with stochastic depth; a head may never compute its last map."""
    head = scrambled(build(kind, depth=depth, first_shortcut=True), rng)
    feature_map, scales = jt.array(random_map(rng)), jt.array(rng.random((depth, 2)).astype(np.float32))
    slopes = jt.array(rng.normal(size=(2, DIM)).astype(np.float32))
    inputs = [feature_map, *head.parameters()]
    mixed = head.mixed(feature_map, scales)
    expected = head.norm(mixed.reshape(2, -1, DIM).sum(dim=1) / (mixed.shape[1] * mixed.shape[2]))
    found = head(feature_map, scales)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)
    pairs = zip(*(jt.grad((y * slopes).sum(), inputs) for y in (found, expected)), strict=True)
    for one, other in pairs:
        scale = np.abs(other.numpy()).max()
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-3, atol=1e-4 * max(scale, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_without_first_shortcut_no_identity_path_remains(jt, rng, kind):
    feature_map = random_map(rng)
    silent = [build(kind, first_shortcut=first_shortcut) for first_shortcut in (False, True)]
    for head in silent:
        for parameter in head.blocks.parameters():
            parameter.assign(jt.zeros_like(parameter))
    # With silent branches only the shortcut can carry the image to the head's output.
    without, with_shortcut = (head.mixed(jt.array(feature_map)).numpy() for head in silent)
    assert np.abs(without).max() == 0
    ends_in_relu = kind in ("resnet", "separable")
    assert np.array_equal(with_shortcut, np.maximum(feature_map, 0) if ends_in_relu else feature_map)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dropped_block_is_its_shortcut(jt, rng, kind):
    """Stochastic depth acts where there is a shortcut, and on the images it is drawn for."""
    head = scrambled(build(kind), rng)
    feature_map = jt.array(random_map(rng))
    whole = head.mixed(feature_map).numpy()
    first = head.blocks[0](feature_map).numpy()
    scales = np.array([[0, 1], [0, 1], [0, 1]], np.float32)
    dropped = head.mixed(feature_map, jt.array(scales)).numpy()
    assert np.allclose(dropped[0], first[0], atol=1e-5)
    assert np.allclose(dropped[1], whole[1], atol=1e-5)
    assert np.abs(dropped[0] - whole[0]).max() > 1e-2


@pytest.mark.parametrize("grid", [(4, 4), (5, 7)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_its_batch(jt, rng, kind, grid):
    """So a batch in parts is the whole batch, and the teacher has no statistics to follow."""
    head = scrambled(build(kind), rng)
    feature_map = random_map(rng, grid, batch=3)
    together = head(jt.array(feature_map)).numpy()
    alone = np.concatenate([head(jt.array(one[None])).numpy() for one in feature_map])
    assert np.abs(together - alone).max() < 1e-4


def moved_differently(jt, rng, kind) -> float:
    """How much the output of a thing that moves by a patch differs from the moved output, over its size.

    Compared away from the map's edge, where convolutions and pooling see something else.
    """
    head = scrambled(build(kind, depth=2), rng)
    here, there = np.zeros((2, 1, 17, 17, DIM), np.float32)
    here[:, 7:10, 6:9] = there[:, 8:11, 8:11] = random_map(rng, (3, 3), batch=1)
    out, moved = (head.mixed(jt.array(x)).numpy()[0] for x in (here, there))
    difference = out[4:12, 4:11] - moved[5:13, 6:13]
    return float(np.abs(difference).max() / out.std())


@pytest.mark.parametrize("kind", ["convnext", "separable", "resnet", "poolformer"])
def test_convolution_and_pooling_follow_a_thing_that_moves(jt, rng, kind):
    assert moved_differently(jt, rng, kind) < 1e-4


@pytest.mark.parametrize("kind", ["swin", "mixer", "resmlp"])
def test_windows_and_mlps_over_patches_do_not(jt, rng, kind):
    assert moved_differently(jt, rng, kind) > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_only_attention_over_all_patches_is_blind_to_their_order(jt, rng, kind):
    head = scrambled(build(kind), rng)
    feature_map = random_map(rng)
    order = rng.permutation(16)
    shuffled = feature_map.reshape(2, 16, DIM)[:, order].reshape(feature_map.shape)
    difference = np.abs(head(jt.array(feature_map)).numpy() - head(jt.array(shuffled)).numpy()).max()
    assert difference < 1e-4 if kind == "vit" else difference > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_every_block_mixes_patches(jt, rng, kind):
    """One block, without shortcut: a patch's output depends on its neighbour's input."""
    head = scrambled(build(kind, depth=1), rng)
    feature_map = random_map(rng, batch=1)
    changed = feature_map.copy()
    changed[0, 1, 1] = rng.normal(size=DIM)
    out, other = (head.mixed(jt.array(x)).numpy() for x in (feature_map, changed))
    assert np.abs(out - other)[0, 1, 2].max() > 1e-3
