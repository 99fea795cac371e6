import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig

CONFIG = BackboneConfig(size="custom", image_size=24, patch_size=6, embed_dim=16, depth=2, num_heads=2)


@pytest.fixture
def network(jt):
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    network = VisionTransformer(CONFIG)
    initialize(network, seed=0)
    return network


def images(rng, num=2, height=24, width=24):
    return rng.normal(size=(num, 3, height, width)).astype(np.float32)


def test_shapes(jt, network, rng):
    tokens = network(jt.array(images(rng)))
    assert tokens.cls.shape == [2, 16]
    assert tokens.patches.shape == [2, 16, 16]
    assert tokens.feature_map.shape == [2, 4, 4, 16]


def test_pixels_of_a_masked_patch_have_no_influence(jt, network, rng):
    image, mask = images(rng, num=1), np.zeros((1, 4, 4), bool)
    mask[0, 1, 2] = True
    changed = image.copy()
    changed[:, :, 6:12, 12:18] += 5.0
    seen = [network(jt.array(x), jt.array(mask)).patches.numpy() for x in (image, changed)]
    assert np.array_equal(seen[0], seen[1])
    unmasked = [network(jt.array(x)).patches.numpy() for x in (image, changed)]
    assert np.abs(unmasked[0] - unmasked[1]).max() > 1e-3
    assert np.abs(seen[0] - unmasked[0]).max() > 1e-3, "the mask changes nothing"


def test_mask_token_gets_a_gradient(jt, network, rng):
    mask = np.zeros((2, 4, 4), bool)
    mask[0, 0, 0] = True
    loss = (network(jt.array(images(rng)), jt.array(mask)).patches ** 2).sum()
    assert np.abs(jt.grad(loss, network.mask_token).numpy()).max() > 0


def test_an_all_false_mask_equals_no_mask(jt, network, rng):
    image = jt.array(images(rng))
    empty = jt.array(np.zeros((2, 4, 4), bool))
    assert np.array_equal(network(image).cls.numpy(), network(image, empty).cls.numpy())


def test_grid_keeps_rows_and_columns_apart(jt, network, rng):
    tokens = network(jt.array(images(rng, height=12, width=30)))
    assert tokens.feature_map.shape == [2, 2, 5, 16]
    # A stripe in the second patch column must change the embeddings of that column only.
    plain = images(rng, num=1, height=12, width=30)
    striped = plain.copy()
    striped[..., 6:12] += 3.0
    difference = (
        np.abs(network.embed(jt.array(plain))[0].numpy() - network.embed(jt.array(striped))[0].numpy())
        .max(axis=(0, 2))[1:]
        .reshape(2, 5)
    )
    assert (difference[:, 1] > 1e-3).all()
    assert (np.delete(difference, 1, axis=1) == 0).all()


def test_dropped_branches_pass_the_input_through(jt, network, rng):
    image = jt.array(images(rng))
    dropped = jt.zeros((2, 2, 2))
    tokens = network(image, None, dropped)
    embedded, _ = network.embed(image)
    assert np.allclose(tokens.cls.numpy(), network.norm(embedded).numpy()[:, 0], atol=1e-6)


def test_features_are_the_normed_cls_of_the_last_blocks(jt, network, rng):
    image = jt.array(images(rng))
    cls, patch_mean = network.features(image, num_blocks=2)
    tokens = network(image)
    assert cls.shape == [2, 2, 16]
    assert np.allclose(cls.numpy()[:, -1], tokens.cls.numpy(), atol=1e-6)
    assert np.allclose(patch_mean.numpy(), tokens.patches.numpy().mean(axis=1), atol=1e-6)


def test_wrong_sizes_are_named(jt, network, rng):
    with pytest.raises(ValueError, match="25 x 24 px is not divisible into patches of 6 px"):
        network(jt.array(images(rng, height=25)))
    with pytest.raises(ValueError, match=r"mask has shape \(2, 3, 3\), expected \(2, 4, 4\)"):
        network(jt.array(images(rng)), jt.array(np.zeros((2, 3, 3), bool)))
    with pytest.raises(ValueError, match=r"num_blocks must be in 1\.\.2, got 3"):
        network.features(jt.array(images(rng)), num_blocks=3)


@pytest.mark.parametrize(("size", "millions"), [("small", 21.7), ("base", 85.8)])
def test_parameter_counts_of_the_published_sizes(jt, size, millions):
    """ViT-S/16 and ViT-B/16 without classifier, as DINO counts them (the mask token adds embed_dim)."""
    from pipeline.models.vit import VisionTransformer

    network = VisionTransformer(BackboneConfig(size=size))
    count = sum(int(np.prod(parameter.shape)) for parameter in network.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.fixture
def with_registers(jt):
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    network = VisionTransformer(CONFIG.model_copy(update={"register_tokens": 3}))
    initialize(network, seed=0)
    return network


def test_registers_are_seen_by_patches_and_are_no_output(jt, network, with_registers, rng):
    image = jt.array(images(rng))
    tokens = with_registers(image)
    assert tokens.patches.shape == [2, 16, 16]
    assert tokens.feature_map.shape == [2, 4, 4, 16]
    # All other parameters start at the same values, so the registers alone make the difference.
    assert np.abs(tokens.patches.numpy() - network(image).patches.numpy()).max() > 1e-5
    loss = (tokens.cls**2 * jt.array(np.arange(16, dtype=np.float32))).sum()
    assert np.abs(jt.grad(loss, with_registers.register_tokens).numpy()).max() > 0


def test_every_way_through_a_network_with_registers_gives_the_same_patches(jt, with_registers, rng):
    image = jt.array(images(rng))
    tokens = with_registers(image)
    cls, mean = with_registers.features(image, 1)
    np.testing.assert_allclose(cls[:, 0].numpy(), tokens.cls.numpy(), atol=1e-6)
    np.testing.assert_allclose(mean.numpy(), tokens.patches.numpy().mean(axis=1), atol=1e-6)
    last = with_registers.taps(image, normed=True)[-1].numpy()
    np.testing.assert_allclose(last.reshape(2, 16, 16), tokens.patches.numpy(), atol=1e-6)
    order = np.stack([rng.permutation(16) for _ in range(2)]).astype(np.int32)
    seen = with_registers.visible_tokens(image, order)
    expected = np.take_along_axis(tokens.patches.numpy(), order[..., None], axis=1)
    np.testing.assert_allclose(seen.patches.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(seen.cls.numpy(), tokens.cls.numpy(), atol=1e-6)


def test_registers_are_of_a_vit_alone():
    with pytest.raises(ValueError, match="register_tokens are of a vit, this is a swin"):
        BackboneConfig(kind="swin", register_tokens=4)
    assert "register_tokens" not in CONFIG.model_dump()  # so that what was made without them stays current
