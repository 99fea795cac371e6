"""What every base keeps of the contract, whatever is inside."""

import numpy as np
import pytest

from pipeline.config.backbone import BASES, BackboneConfig
from tests.pipeline.models.backbones.small_base import (
    HIERARCHICAL,
    SMALL,
    base_config,
    build,
    random_images,
    random_mask,
)


def test_every_kind_has_numbers_a_network_and_a_small_one_here(jt):
    from pipeline.models.backbones import NETWORKS

    assert set(NETWORKS) == set(BASES) == set(SMALL)


@pytest.mark.parametrize("kind", SMALL)
def test_shapes_are_as_the_configuration_says(jt, rng, kind):
    config = base_config(kind)
    network = build(config)
    for name in ("dim", "stride", "grid"):
        assert getattr(network, name) == getattr(config, name)
    assert network.depth == config.num_blocks == len(network.blocks)
    h, w = 3, 2  # another shape than the configured one
    images = jt.array(random_images(rng, 2, h * network.stride, w * network.stride))
    tokens = network(images)
    assert tokens.cls.shape == [2, network.dim]
    assert tokens.patches.shape == [2, h * w, network.dim]
    assert tokens.feature_map.shape == [2, h, w, network.dim]
    for tap, dim, stride in zip(
        network.taps(images, normed=True), network.tap_dims, network.tap_strides, strict=True
    ):
        assert tap.shape == [2, h * network.stride // stride, w * network.stride // stride, dim]


@pytest.mark.parametrize("kind", SMALL)
def test_pixels_of_a_masked_place_have_no_influence_anywhere(jt, rng, kind):
    config = base_config(kind)
    network = build(config, rng)
    image, mask, s = random_images(rng, 1), np.zeros((1, 2, 2), bool), config.stride
    mask[0, 0, 1] = True
    changed = image.copy()
    changed[:, :, :s, s:] += rng.normal(size=(1, 3, s, s)).astype(np.float32)
    seen = [network(jt.array(x), jt.array(mask)) for x in (image, changed)]
    for name in ("cls", "patches", "feature_map"):
        one, other = (getattr(tokens, name).numpy() for tokens in seen)
        assert np.array_equal(one, other), name
    unmasked = [network(jt.array(x)).patches.numpy() for x in (image, changed)]
    assert np.abs(unmasked[0] - unmasked[1]).max() > 1e-3, "the pixels count nothing, masked or not"
    assert np.abs(seen[0].patches.numpy() - unmasked[0]).max() > 1e-3, "the mask changes nothing"
    # The place beside it is not masked: its pixels, those at the common edge too, still count.
    beside = image.copy()
    beside[:, :, :s, s - 1] += 1
    assert np.abs(network(jt.array(beside), jt.array(mask)).cls.numpy() - seen[0].cls.numpy()).max() > 1e-5


@pytest.mark.parametrize("chosen", [[], [5, 0, 0, 7]])
@pytest.mark.parametrize("with_map", [False, True])
@pytest.mark.parametrize("kind", SMALL)
def test_chosen_tokens_are_those_of_a_whole_pass(jt, rng, kind, with_map, chosen):
    """Values and gradients, with hidden patches and stochastic depth."""
    network = build(base_config(kind), rng)
    images = jt.array(random_images(rng))
    mask = jt.array(np.arange(8).reshape(2, 2, 2) % 3 == 0)
    scales = jt.array(rng.uniform(0.5, 1.5, (network.depth, 2, 2)).astype(np.float32))
    whole = network(images, mask, scales)
    rows = np.array(chosen, np.int32)
    found = network.chosen_tokens(images, rows, mask, scales, with_map=with_map)
    assert (found.feature_map is not None) == with_map
    assert (found.patches is None) == (not chosen)
    pairs = [(found.cls, whole.cls)]
    if chosen:
        pairs.append((found.patches, whole.patches.reshape(-1, network.dim)[jt.array(rows)]))
    if with_map:
        pairs.append((found.feature_map, whole.feature_map))
    parameters, losses = network.parameters(), [0, 0]
    for pair in pairs:
        slopes = jt.array(rng.normal(size=pair[0].shape).astype(np.float32))
        np.testing.assert_allclose(pair[0].numpy(), pair[1].numpy(), rtol=1e-4, atol=2e-5)
        losses = [loss + (value * slopes).sum() for loss, value in zip(losses, pair, strict=True)]
    gradients = (jt.grad(loss, parameters) for loss in losses)
    for one, other in zip(*gradients, strict=True):
        scale = max(np.abs(other.numpy()).max(), 1)
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("kind", SMALL)
def test_an_all_false_mask_equals_no_mask(jt, rng, kind):
    network, image = build(base_config(kind), rng), jt.array(random_images(rng))
    empty = jt.array(np.zeros((2, 2, 2), bool))
    assert np.array_equal(network(image).cls.numpy(), network(image, empty).cls.numpy())


@pytest.mark.parametrize("kind", HIERARCHICAL)
def test_every_tensor_gets_a_gradient(jt, rng, kind):
    config = base_config(kind)
    network = build(config, rng)
    images, mask = jt.array(random_images(rng)), jt.array(random_mask(rng, config))
    tokens = network(images, mask)
    named = network.named_parameters()
    weights = jt.array(rng.normal(size=tokens.patches.shape).astype(np.float32))
    loss = (tokens.cls**3).sum() + (tokens.patches * weights).sum()
    for (name, _), gradient in zip(named, jt.grad(loss, [p for _, p in named]), strict=True):
        assert np.isfinite(gradient.numpy()).all(), name
        assert np.abs(gradient.numpy()).max() > 1e-6, name


@pytest.mark.parametrize("kind", HIERARCHICAL)
def test_an_image_does_not_depend_on_its_batch(jt, rng, kind):
    """What batch norm would not give: equal features alone and in company, in training as afterwards."""
    network, images = build(base_config(kind), rng), random_images(rng, 3)
    together, alone = (network(jt.array(x)).cls.numpy() for x in (images, images[:1]))
    assert np.allclose(together[:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", SMALL)
def test_wrong_sizes_are_named(jt, rng, kind):
    network = build(base_config(kind))
    with pytest.raises(ValueError, match="image of 33 x 32 px is not divisible into p"):
        network(jt.array(random_images(rng, 1, 33)))
    with pytest.raises(ValueError, match=r"mask has shape \(1, 3, 3\), expected \(1, 2, 2\)"):
        network(jt.array(random_images(rng, 1)), jt.array(np.zeros((1, 3, 3), bool)))
    last = 3 if kind == "vit" else 2
    with pytest.raises(ValueError, match=rf"num_blocks must be in 1\.\.{last}.* got 4"):
        network.features(jt.array(random_images(rng, 1)), num_blocks=4)


@pytest.mark.parametrize("kind", SMALL)
def test_a_backbone_file_says_its_kind(jt, rng, tmp_path, kind):
    from pipeline.models.backbone_file import FrozenBackbone, load_backbone, save_backbone
    from pipeline.models.weights import WeightsError

    config, path = base_config(kind), tmp_path / "backbone.safetensors"
    network = build(config, rng)
    save_backbone(path, FrozenBackbone(network, config, "teacher", np.zeros(3), np.ones(3)))
    stored = load_backbone(path)
    assert stored.config == config
    assert type(stored.network) is type(network)
    images = jt.array(random_images(rng))
    assert np.array_equal(stored.network(images).cls.numpy(), network(images).cls.numpy())
    other = base_config("vit", depth=2) if kind == "vit" else base_config(kind, depths=(1, 1, 1, 1))
    save_backbone(path, FrozenBackbone(network, other, "teacher", np.zeros(3), np.ones(3)))
    with pytest.raises(WeightsError, match=r"unexpected \['blocks\.[24]"):
        load_backbone(path)


def test_a_file_from_before_there_were_kinds_is_a_vit(jt, tmp_path):
    from pipeline.models.backbone_file import load_backbone
    from pipeline.models.vit import VisionTransformer
    from pipeline.models.weights import named_arrays
    from pipeline.weights.arrays import write_arrays

    network = build(base_config("vit"))
    architecture = {
        "size": "custom", "image_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 3, "num_heads": 3,
        "mlp_ratio": 4.0,
    }  # fmt: skip
    metadata = {"architecture": architecture, "weights": "teacher", "mean": [0, 0, 0], "std": [1, 1, 1]}
    write_arrays(tmp_path / "old.safetensors", named_arrays(network), metadata)
    assert isinstance(load_backbone(tmp_path / "old.safetensors").network, VisionTransformer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "size", "millions"),
    [
        ("swin", "tiny", 27.52),
        ("swin", "small", 48.84),
        ("convnext", "tiny", 27.82),
        ("resnet", "18", 11.18),
        ("resnet", "50", 23.51),
    ],
)
def test_parameter_counts_of_the_published_sizes(jt, kind, size, millions):
    """Without classifier, as timm and torchvision count them; the mask token adds a hundred numbers."""
    from pipeline.models.backbones import build_backbone

    network = build_backbone(BackboneConfig(kind=kind, size=size))
    count = sum(int(np.prod(parameter.shape)) for parameter in network.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.011)


def test_the_first_values_of_convnext_and_resnet(jt):
    from pipeline.models.weights import named_arrays

    scaled = named_arrays(build(base_config("convnext")))
    assert np.allclose(scaled["blocks.0.layer_scale"], 1e-6)
    arrays = named_arrays(build(base_config("resnet", embed_dim=32)))
    assert np.all(arrays["blocks.1.norms.0.weight"] == 1)
    assert np.all(arrays["blocks.1.norm_shortcut.weight"] == 1)
    # A normal cut at two standard deviations has 0.88 of the spread.
    spread = arrays["blocks.3.convs.0.filters"].std()
    assert spread == pytest.approx(0.88 * np.sqrt(2 / (9 * 64)), rel=0.03)


@pytest.mark.parametrize("kind", SMALL)
def test_every_channel_of_an_image_counts(jt, rng, kind):
    config = base_config(kind, channels=5)
    network = build(config, rng)
    image = rng.normal(size=(1, 5, 32, 32)).astype(np.float32)
    mask = random_mask(rng, config, num=1)
    seen = [network(jt.array(image), hidden).cls.numpy() for hidden in (None, jt.array(mask))]
    assert abs(seen[0] - seen[1]).max() > 1e-4
    for channel in range(5):
        changed = image.copy()
        changed[:, channel] = rng.normal(size=(32, 32))
        assert abs(network(jt.array(changed)).cls.numpy() - seen[0]).max() > 1e-4
