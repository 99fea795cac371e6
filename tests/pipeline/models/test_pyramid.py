"""Levels of the pyramid, against PyTorch's deconvolution and pooling."""

import numpy as np
import pytest


def initialized(module):
    from pipeline.models.initialization import initialize_head

    initialize_head(module, seed=0)
    return module


def random_map(jt, rng, *shape):
    return jt.array(rng.normal(size=shape).astype(np.float32))


@pytest.mark.parametrize(
    ("stride", "strides"),
    [
        (16, (4, 8, 16, 32)),
        (8, (4, 8, 16, 32)),
        (4, (4, 8, 16, 32)),
        (14, (3.5, 7, 14, 28)),
        (6, (3, 6, 12, 24)),
        (32, (4, 8, 16, 32)),
        (2, (2, 4, 8, 16)),
    ],
)
def test_strides_of_the_levels(jt, rng, stride, strides):
    from pipeline.models.pyramid import TapPyramid

    pyramid = initialized(TapPyramid(4, stride))
    assert pyramid.strides == strides
    levels = pyramid([random_map(jt, rng, 2, 8, 16, 4) for _ in range(4)])
    sizes = [(8 * stride / level, 16 * stride / level) for level in strides]
    assert [tuple(level.shape) for level in levels] == [(2, *size, 4) for size in sizes]


def test_patches_of_16_as_in_ibot(jt, rng):
    """Deconvolution, norm, GELU, deconvolution; deconvolution; identity; pooling."""
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from pipeline.models.pyramid import TapPyramid

    functional = torch.nn.functional
    pyramid = initialized(TapPyramid(4, 16))
    for name, parameter in pyramid.named_parameters():
        if name.endswith("bias"):
            parameter.assign(random_map(jt, rng, *parameter.shape))
    taps = [rng.normal(size=(2, 4, 3, 5)).astype(np.float32) for _ in range(4)]
    levels = pyramid([jt.array(tap.transpose(0, 2, 3, 1)) for tap in taps])
    found = [level.numpy().transpose(0, 3, 1, 2) for level in levels]
    arrays = {name: torch.tensor(p.numpy()) for name, p in pyramid.named_parameters()}

    def deconv(x, name):
        weight = arrays[f"{name}.deconv.weight"].reshape(2, 2, 4, 4).permute(3, 2, 0, 1)
        return functional.conv_transpose2d(x, weight, arrays[f"{name}.deconv.bias"], stride=2)

    x = deconv(torch.tensor(taps[0]), "enlarge.0.0")
    x = functional.batch_norm(
        x, None, None, arrays["enlarge.0.1.norm.weight"], arrays["enlarge.0.1.norm.bias"], training=True
    )
    expected = [
        deconv(functional.gelu(x), "enlarge.0.1"),
        deconv(torch.tensor(taps[1]), "enlarge.1.0"),
        torch.tensor(taps[2]),
        functional.max_pool2d(torch.tensor(taps[3]), 2, ceil_mode=True),
    ]
    for level, other in zip(found, expected, strict=True):
        assert level.shape == tuple(other.shape)
        assert np.abs(level - other.numpy()).max() < 2e-5


def test_deconv_gradients_equal_torch(jt, rng):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from pipeline.models.pyramid import Deconv

    deconv, x = initialized(Deconv(5)), random_map(jt, rng, 2, 3, 4, 5)
    weights = rng.normal(size=(2, 6, 8, 5)).astype(np.float32)
    found = jt.grad((deconv(x) * jt.array(weights)).sum(), [x, deconv.weight, deconv.bias])
    inputs = [torch.tensor(value.numpy(), requires_grad=True) for value in (x, deconv.weight, deconv.bias)]
    kernel = inputs[1].reshape(2, 2, 5, 5).permute(3, 2, 0, 1)
    expected = torch.nn.functional.conv_transpose2d(
        inputs[0].permute(0, 3, 1, 2), kernel, inputs[2], stride=2
    )
    (expected.permute(0, 2, 3, 1) * torch.tensor(weights)).sum().backward()
    for gradient, there in zip(found, inputs, strict=True):
        assert np.abs(gradient.numpy() - there.grad.numpy()).max() < 1e-4


def test_first_values_of_norms_and_deconvs(jt):
    from pipeline.models.pyramid import TapPyramid

    pyramid = initialized(TapPyramid(64, 16))
    arrays = {name: p.numpy() for name, p in pyramid.named_parameters()}
    assert np.all(arrays["enlarge.0.1.norm.weight"] == 1)
    assert np.all(arrays["enlarge.0.1.norm.running_mean"] == 0)
    # A normal cut at two standard deviations has 0.88 of the spread.
    spread = arrays["enlarge.0.0.deconv.weight"].std()
    assert spread == pytest.approx(0.88 * np.sqrt(2 / 64), rel=0.02)
