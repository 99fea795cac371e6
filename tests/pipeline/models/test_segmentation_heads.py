"""Decoders against the same networks written with PyTorch's functions."""

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


class InTorch:
    """The building blocks with a module's own values."""

    def __init__(self, torch, module):
        self.functional = torch.nn.functional
        self.arrays = {
            name: torch.tensor(p.numpy(), requires_grad="running" not in name)
            for name, p in module.named_parameters()
        }

    def conv_norm(self, x, name):
        weight = self.arrays[f"{name}.conv.weight"]
        x = self.functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
        scale, shift = self.arrays[f"{name}.norm.weight"], self.arrays[f"{name}.norm.bias"]
        return self.functional.batch_norm(x, None, None, scale, shift, training=True).relu()

    def predict(self, x):
        return self.functional.conv2d(x, self.arrays["predict.weight"], self.arrays["predict.bias"])

    def resized(self, x, like):
        return self.functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def uper_in_torch(torch, parts, maps, channel_scales):
    """Xiao et al.'s decoder, step by step."""
    pooled = [
        parts.resized(
            parts.conv_norm(parts.functional.adaptive_avg_pool2d(maps[3], size), f"pooling.reduce.{i}"),
            maps[3],
        )
        for i, size in enumerate((1, 2, 3, 6))
    ]
    coarsest = parts.conv_norm(torch.cat([maps[3], *pooled], 1), "pooling.fuse")
    merged = coarsest
    levels = [coarsest]
    for i in (2, 1, 0):
        # Laterals are held from fine to coarse.
        lateral = parts.conv_norm(maps[i], f"laterals.{i}")
        merged = lateral + parts.resized(merged, lateral)
        levels.insert(0, parts.conv_norm(merged, f"smooths.{i}"))
    stacked = torch.cat([parts.resized(level, levels[0]) for level in levels], 1)
    return parts.predict(parts.conv_norm(stacked, "fuse") * channel_scales[:, :, None, None])


def test_uper_equals_torch_forward_and_backward(jt, rng, maps):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from pipeline.models.segmentation_heads import UperHead

    head = initialized(UperHead(CHANNELS, width=7, num_classes=4))
    scales = rng.choice([0, 1.25], size=(3, 7)).astype(np.float32)
    found = head([jt.array(x) for x in maps], jt.array(scales))
    weights = rng.normal(size=found.shape).astype(np.float32)
    parts = InTorch(torch, head)
    expected = uper_in_torch(torch, parts, [torch.tensor(x) for x in maps], torch.tensor(scales))
    (expected * torch.tensor(weights)).sum().backward()
    assert np.abs(found.numpy() - expected.detach().numpy()).max() < 1e-5
    named = [(name, p) for name, p in head.named_parameters() if p.requires_grad]
    gradients = jt.grad((found * jt.array(weights)).sum(), [p for _, p in named])
    assert {name for name, _ in named} == {n for n, a in parts.arrays.items() if a.requires_grad}
    for (name, _), gradient in zip(named, gradients, strict=True):
        there = parts.arrays[name].grad.numpy()
        assert np.abs(gradient.numpy() - there).max() < 2e-4 * max(1, np.abs(there).max()), name


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
