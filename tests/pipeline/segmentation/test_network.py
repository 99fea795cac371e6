"""The network around the decoders: sizes, losses and who gets a gradient."""

import numpy as np
import pytest

from pipeline.datasets.targets import IGNORED
from pipeline.segmentation.batches import SegmentBatch


def batch_of(rng, network, size, labels=None):
    label_maps = rng.integers(0, 4, (3, *size)).astype(np.int16) if labels is None else labels
    return SegmentBatch(
        names=["a", "b", "c"],
        images=rng.normal(size=(3, 3, *size)).astype(np.float32),
        label_maps=label_maps,
        channel_scales=[np.ones((3, width), np.float32) for width in network.dropout_widths],
    )


@pytest.mark.parametrize("head", ["linear", "uper"])
@pytest.mark.parametrize("size", [(75, 100), (8, 8), (5, 33)])
def test_t1_logits_of_every_pixel(rng, network_of, configured, head, size):
    """T1: sides that no patch divides are padded right and below, and cut back; no pixel is left out."""
    network = network_of(configured(head))
    network.eval()
    images = rng.normal(size=(2, 3, *size)).astype(np.float32)
    logits = network.logits_of(images)
    assert logits.shape == (2, 4, *size)
    images[:, :, -1, -1] += 9
    assert np.abs(network.logits_of(images) - logits)[:, :, -1, -1].max() > 1e-5
    padded = np.zeros((2, 3, *(side + -side % network.multiple for side in size)), np.float32)
    padded[:, :, : size[0], : size[1]] = images
    whole = network.logits_of(padded)[:, :, : size[0], : size[1]]
    assert np.allclose(whole, network.logits_of(images), atol=1e-5)


@pytest.mark.parametrize("head", ["linear", "uper"])
def test_t4_alone_as_in_a_batch(rng, network_of, configured, head):
    """T4: the logits of an image do not depend on who is beside it."""
    network = network_of(configured(head))
    network.eval()
    images = rng.normal(size=(3, 3, 40, 24)).astype(np.float32)
    together = network.logits_of(images)
    for image, logits in zip(images, together, strict=True):
        assert np.allclose(network.logits_of(image[None])[0], logits, atol=1e-5)


def test_every_parameter_learns(jt, rng, network_of, configured):
    network = network_of(configured("uper"))
    network.train()
    terms = network.losses(batch_of(rng, network, (32, 64)), None)
    assert list(terms) == ["loss_head", "loss_auxiliary"]
    # Logits start near 0: as good as guessing one of four classes; the auxiliary head weighs 0.4.
    assert terms["loss_head"].item() == pytest.approx(np.log(4), abs=0.1)
    assert terms["loss_auxiliary"].item() == pytest.approx(0.4 * np.log(4), abs=0.1)
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    gradients = jt.grad(sum(terms.values()), [p for _, p in named])
    silent = {name for (name, _), g in zip(named, gradients, strict=True) if not np.abs(g.numpy()).max() > 0}
    assert silent == set()
    assert {name.split(".")[0] for name, _ in named} == {"backbone", "pyramid", "head", "auxiliary"}


@pytest.mark.parametrize("head", ["linear", "uper"])
def test_t8_without_a_label_gradients_are_zero(jt, rng, network_of, configured, head):
    """T8: an ignored-only batch gives loss 0 and finite gradients."""
    network = network_of(configured(head))
    labels = np.full((3, 32, 32), IGNORED, np.int16)
    terms = network.losses(batch_of(rng, network, (32, 32), labels), None)
    assert sum(term.item() for term in terms.values()) == 0
    parameters = [p for p in network.parameters() if p.requires_grad]
    assert all((g.numpy() == 0).all() for g in jt.grad(sum(terms.values()), parameters))


def test_linear_has_one_convolution_and_no_auxiliary_head(network_of, configured):
    network = network_of(configured("linear"))
    names = {name for name, _ in network.named_parameters() if not name.startswith("backbone.")}
    assert names == {"head.predict.weight", "head.predict.bias"}
    assert (network.multiple, network.dropout_widths) == (8, ())


def test_first_values_are_those_of_the_seed(network_of, configured):
    first, second = (dict(network_of(configured()).named_parameters()) for _ in range(2))
    assert all(np.array_equal(p.numpy(), second[name].numpy()) for name, p in first.items())
    other = dict(network_of(configured().model_copy(update={"seed": 8})).named_parameters())
    assert not np.array_equal(other["head.fuse.conv.weight"].numpy(), first["head.fuse.conv.weight"].numpy())
