import numpy as np
import pytest

from pipeline.config.backbone import BackboneConfig

CONFIG = BackboneConfig(size="custom", image_size=16, patch_size=8, embed_dim=12, depth=2, num_heads=2)


def backbone(jt, seed=0):
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer

    network = VisionTransformer(CONFIG)
    initialize(network, seed)
    return network


def classifier(jt, pooling):
    from pipeline.classification.network import Classifier

    return Classifier(backbone(jt), 5, pooling=pooling, seed=3)


def normed(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)


def images_of(rng, height=16, width=16):
    return rng.normal(size=(4, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize("pooling", ["patches", "cls"])
def test_logits_are_those_of_the_pooled_tokens(jt, rng, pooling):
    network = classifier(jt, pooling)
    images = images_of(rng)
    tokens = backbone(jt)(jt.array(images))
    pooled = (
        normed(tokens.feature_map.numpy().mean(axis=(1, 2))) if pooling == "patches" else tokens.cls.numpy()
    )
    logits = network(jt.array(images)).numpy()
    expected = pooled @ network.predict_classes.weight.numpy().T
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-9)
    # The classifier starts next to 0, so that the first predictions are even.
    assert 0 < np.abs(logits).max() < 1e-3


@pytest.mark.parametrize("pooling", ["patches", "cls"])
def test_images_of_another_size_fit(jt, rng, pooling):
    assert classifier(jt, pooling)(jt.array(images_of(rng, 24, 16))).shape == [4, 5]


@pytest.mark.parametrize(
    ("pooling", "unused"),
    [("patches", {"mask_token", "norm.weight", "norm.bias"}), ("cls", {"mask_token"})],
)
def test_everything_that_is_read_learns(jt, rng, pooling, unused):
    """Trainable parameters get gradients that are finite and not 0; what is never read is not trained."""
    from pipeline.classification.loss import soft_target_loss

    network = classifier(jt, pooling)
    # At its start the classifier passes next to nothing down; larger, so that gradients can be told from 0.
    network.predict_classes.weight = jt.array(rng.normal(size=(5, 12)).astype(np.float32))
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    names = {name for name, _ in network.named_parameters()}
    assert names - {name for name, _ in named} == {f"backbone.network.{name}" for name in unused}
    targets = jt.array(np.eye(5, dtype=np.float32)[:4])
    gradients = jt.grad(soft_target_loss(network(jt.array(images_of(rng))), targets), [p for _, p in named])
    sizes = {name: np.abs(g.numpy()).max() for (name, _), g in zip(named, gradients, strict=True)}
    assert all(np.isfinite(size) and size > 0 for size in sizes.values()), sizes


def test_stochastic_depth_drops_what_it_is_told_to(jt, rng):
    network, images = classifier(jt, "patches"), jt.array(images_of(rng))
    whole = network(images).numpy()
    kept = network(images, jt.ones((2, 2, 4))).numpy()
    np.testing.assert_allclose(kept, whole, rtol=1e-4, atol=1e-10)
    scales = np.ones((2, 2, 4), np.float32)
    scales[1, :, 2] = 0
    dropped = network(images, jt.array(scales)).numpy()
    assert [not np.allclose(a, b, rtol=1e-3, atol=0) for a, b in zip(dropped, whole, strict=True)] == [
        False, False, True, False
    ]  # fmt: skip


def test_a_backbone_file_becomes_a_classifier(jt, rng, tmp_path):
    from pipeline.classification.network import open_classifier
    from pipeline.models.backbone_file import FrozenBackbone, save_backbone

    path = tmp_path / "backbone.safetensors"
    mean, std = np.full(3, 0.5, np.float32), np.full(3, 0.25, np.float32)
    save_backbone(path, FrozenBackbone(backbone(jt), CONFIG, "random", mean, std))
    network, stored = open_classifier(path, 5, pooling="patches", seed=3)
    assert stored.weights == "random"
    images = jt.array(images_of(rng))
    np.testing.assert_array_equal(network(images).numpy(), classifier(jt, "patches")(images).numpy())
