"""Hierarchical bases under what is built on them: decoders, detector, classifier, layer-wise rates."""

import numpy as np
import pytest

from pipeline.config.dense import (
    DetectHeadConfig,
    FinetuneSchedule,
    SegmentConfig,
    SegmentHeadConfig,
    SegmentViewConfig,
)
from tests.pipeline.models.backbones.small_base import HIERARCHICAL, base_config, build, random_images

EVERY = pytest.mark.parametrize("kind", HIERARCHICAL)


def dense(kind, rng, *, tap_norm=True, frozen=False, **changes):
    from pipeline.models.dense_backbone import DenseBackbone

    return DenseBackbone(build(base_config(kind, **changes), rng), tap_norm=tap_norm, frozen=frozen)


def silent_parameters(jt, network, loss):
    """Names of trained parameters whose gradient is 0 everywhere or not finite."""
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    gradients = jt.grad(loss, [p for _, p in named])
    sizes = {name: np.abs(g.numpy()).max() for (name, _), g in zip(named, gradients, strict=True)}
    return {name for name, size in sizes.items() if not 0 < size < np.inf}


@EVERY
@pytest.mark.parametrize("tap_norm", [True, False])
def test_taps_of_an_image_of_any_size(jt, rng, kind, tap_norm):
    backbone = dense(kind, rng, tap_norm=tap_norm)
    images = random_images(rng, 1, 37, 50)  # padded to 48 x 64
    taps = backbone(jt.array(images))
    assert backbone.strides == (2, 4, 8, 16)
    for tap, dim, stride in zip(taps, backbone.dims, backbone.strides, strict=True):
        assert tap.shape == [1, 48 // stride, 64 // stride, dim]
    changed = images.copy()
    changed[:, :, -1, -1] += 5
    difference = np.abs(backbone(jt.array(changed))[0].numpy() - taps[0].numpy())
    assert difference[0, 18, 24].max() > 1e-5, "the last pixel is left out"


@EVERY
@pytest.mark.parametrize("tap_norm", [True, False])
def test_parameters_that_taps_read_learn_and_no_others(jt, rng, kind, tap_norm):
    backbone = dense(kind, rng, tap_norm=tap_norm)
    taps = backbone(jt.array(random_images(rng)))
    loss = sum((tap * jt.array(rng.normal(size=tap.shape).astype(np.float32))).sum() for tap in taps)
    assert silent_parameters(jt, backbone, loss) == set()
    norm = () if kind == "resnet" or tap_norm else ("norm.weight", "norm.bias")
    assert backbone.unused == ("mask_token", *norm)
    count = len(backbone.network.named_parameters())
    assert f"{count - len(backbone.unused)} of {count} arrays used" in backbone.described()


@EVERY
@pytest.mark.parametrize("head", ["linear", "uper"])
def test_segmentation_learns(jt, rng, kind, head):
    from pipeline.segmentation.batches import SegmentBatch
    from pipeline.segmentation.network import SegmentationNetwork

    config = SegmentConfig(
        head=head,
        frozen=False,
        heads=SegmentHeadConfig(width=8, auxiliary_width=6),
        view=SegmentViewConfig(crop_size=32, resize=(32, 64), inference="whole"),
        schedule=FinetuneSchedule(num_steps=2, batch_size=2),
        seed=0,
        num_bootstrap=5,
        num_pictures=0,
    )
    network = SegmentationNetwork(dense(kind, rng), config, num_classes=4)
    assert network.multiple == 16
    network.train()
    batch = SegmentBatch(
        names=["a", "b"],
        images=random_images(rng),
        label_maps=rng.integers(0, 4, (2, 32, 32)).astype(np.int16),
        channel_scales=[np.ones((2, width), np.float32) for width in network.dropout_widths],
    )
    scales = jt.array(np.full((network.backbone.depth, 2, 2), 1.1, np.float32))
    terms = network.losses(batch, scales)
    assert list(terms) == ["loss_head"] + ["loss_auxiliary"] * (head == "uper")
    assert silent_parameters(jt, network, sum(terms.values())) == set()
    network.eval()
    assert network.logits_of(random_images(rng, 1, 21, 40)).shape == (1, 4, 21, 40)


@EVERY
def test_detection_learns(jt, rng, kind):
    from pipeline.detection.batches import batch_of
    from pipeline.detection.cascade import CascadeMaskRcnn
    from pipeline.detection.training import detection_losses
    from pipeline.transforms.scene import Scene

    config = DetectHeadConfig(
        width=16, num_levels=5, anchor_scale=4, finest_scale=16, rpn_samples=32, roi_samples=16, box_convs=0,
        box_hidden_dim=32, mask_convs=1, num_proposals_per_level=40, num_proposals=30, stages=1,
        inner_anchors_only=False,
    )  # fmt: skip
    network = CascadeMaskRcnn(dense(kind, rng), config, 3, masks=True, seed=0)
    network.train()
    masks = np.zeros((1, 64, 64), bool)
    masks[0, 8:40, 8:48] = True
    scene = Scene(
        rng.integers(0, 256, (64, 64, 3)).astype(np.uint8),
        boxes=np.array([[8, 8, 48, 40]], np.float32),
        classes=np.array([1]),
        crowd=np.zeros(1, bool),
        masks=masks,
    )
    half = np.full(3, 0.5)
    batch = batch_of([scene], ["a"], np.array([3]), mean=half, std=half, multiple=network.multiple)
    levels = network.levels(jt.array(batch.images))
    assert levels.sizes == ((32, 32), (16, 16), (8, 8), (4, 4), (2, 2))
    assert network.heads.rpn.strides == (2, 4, 8, 16, 32)
    terms = detection_losses(network, batch)
    silent = silent_parameters(jt, network, sum(terms.values()))
    # One scene need not reach every level of the pyramid; all of the backbone it does.
    assert {name for name in silent if not name.startswith("heads.")} == set()


@EVERY
@pytest.mark.parametrize("pooling", ["patches", "cls"])
def test_a_classifier_learns(jt, rng, kind, pooling):
    from pipeline.classification.loss import soft_target_loss
    from pipeline.classification.network import Classifier

    network = Classifier(build(base_config(kind), rng), 5, pooling=pooling, seed=0)
    network.predict_classes.weight = jt.array(
        rng.normal(size=network.predict_classes.weight.shape).astype(np.float32)
    )
    depth = network.backbone.depth
    scales = jt.array(np.full((depth, 2, 2), 1.1, np.float32))
    logits = network(jt.array(random_images(rng)), scales)
    assert logits.shape == [2, 5]
    targets = jt.array(np.eye(5, dtype=np.float32)[:2])
    assert silent_parameters(jt, network, soft_target_loss(logits, targets)) == set()


@EVERY
def test_layers_for_layer_wise_rates(jt, kind):
    """0 the stem, 1 to 6 the blocks with what brings the map to their stage, 7 the rest."""
    from pipeline.finetune.rates import layer_of

    network = build(base_config(kind))
    layers = {
        name: layer_of(f"backbone.network.{name}", network.depth) for name, _ in network.named_parameters()
    }
    assert {layer for name, layer in layers.items() if name.startswith(("stem.", "norm_stem."))} == {0}
    assert {layer for name, layer in layers.items() if name.startswith("norm.")} <= {7}
    assert {layer for name, layer in layers.items() if name.startswith("blocks.")} == set(range(1, 7))
    second_stage = sum(base_config(kind).depths[:1])
    entering = [name for name in layers if "entrance" in name or "shortcut" in name]
    assert layers[entering[0]] == second_stage + 1


@EVERY
def test_stochastic_depth_drops_a_whole_branch(jt, rng, kind):
    """All branches dropped: what is left is the stem, taken from stage to stage."""
    config = base_config(kind)
    network = build(config, rng)
    images = jt.array(random_images(rng))
    scales = np.ones((network.depth, 2, 2), np.float32)
    same = network(images, None, jt.array(scales)).cls.numpy()
    assert np.allclose(same, network(images).cls.numpy(), rtol=1e-4, atol=1e-5)
    scales[-1, :, 1] = 0  # the last block of the second image
    dropped = network(images, None, jt.array(scales)).feature_map.numpy()
    before = network.channels_last([x for _, x in network._maps(images, None, None)][-2]).numpy()
    assert np.allclose(dropped[1], before[1], rtol=1e-4, atol=1e-5)
    assert np.abs(dropped[0] - before[0]).max() > 1e-3
