"""Decoders by hand; UPerNet against PyTorch's numbers is in tests/pipeline/test_golden_dense.py."""

import numpy as np
import pytest

SIZES = ((8, 12), (4, 6), (2, 3), (1, 2))
CHANNELS = (5, 5, 6, 4)


def initialized(module):
    from pipeline.models.initialization import initialize_head

    initialize_head(module, seed=0)
    return module


@pytest.fixture
def maps(rng):
    return [
        rng.normal(size=(3, count, *size)).astype(np.float32)
        for count, size in zip(CHANNELS, SIZES, strict=True)
    ]


def test_linear_is_one_convolution_of_all_maps(jt, maps):
    from pipeline.models.resize import resize_matrix
    from pipeline.models.segmentation_heads import LinearHead

    head = initialized(LinearHead(CHANNELS, num_classes=4))
    assert [name for name, _ in head.named_parameters()] == ["predict.weight", "predict.bias"]
    stacked = np.concatenate(
        [resize_matrix(x.shape[2], 8) @ x.astype(np.float64) @ resize_matrix(x.shape[3], 12).T for x in maps],
        axis=1,
    )
    weight = head.predict.weight.numpy()[:, :, 0, 0].astype(np.float64)
    expected = np.einsum("kc,bchw->bkhw", weight, stacked)
    found = head([jt.array(x) for x in maps]).numpy()
    assert found.shape == (3, 4, 8, 12)
    assert np.abs(found - expected).max() < 1e-5


def test_predictions_start_near_zero_and_everything_else_does_not(jt, maps):
    from pipeline.models.segmentation_heads import AuxiliaryHead

    head = initialized(AuxiliaryHead(6, width=64, num_classes=50))
    assert head.predict.weight.numpy().std() == pytest.approx(0.0088, rel=0.05)
    assert head.mix.conv.weight.numpy().std() == pytest.approx(0.88 * np.sqrt(2 / 54), rel=0.05)
    assert np.abs(head(jt.array(maps[2])).numpy()).max() < 1


def test_dropped_channels_do_not_count(jt, maps):
    from pipeline.models.segmentation_heads import AuxiliaryHead

    head = initialized(AuxiliaryHead(6, width=5, num_classes=3))
    without = head(jt.array(maps[2]), jt.zeros((3, 5))).numpy()
    assert np.all(without == 0)  # the bias of the first step


def test_one_image_trains_through_batch_norm(jt, rng):
    """A pool of 1 x 1 has one value a channel: its norm gives the bias, never a division by zero."""
    from pipeline.models.segmentation_heads import UperHead

    head = initialized(UperHead((4, 4, 4, 4), width=4, num_classes=3))
    maps = [jt.array(rng.normal(size=(1, 4, *size)).astype(np.float32)) for size in SIZES]
    parameters = [p for p in head.parameters() if p.requires_grad]
    logits = head(maps)
    gradients = jt.grad((logits * logits).sum(), parameters)
    assert np.isfinite(logits.numpy()).all()
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients)
