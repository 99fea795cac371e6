"""Layers of the dense decoders on the device sources: values, gradients and statistics."""

import numpy as np
import pytest

from tests.cuda_on_host.loading import use_device_sources


def layers(jt):
    from jittor import nn

    from pipeline import kernels
    from pipeline.config.dense import DetectHeadConfig
    from pipeline.detection.roi_heads import MaskHead
    from pipeline.models.batch_norm import BatchNorm2d
    from pipeline.models.conv import Conv2d, ConvNorm
    from pipeline.ranks.whole_batch import shared_among
    from tests.pipeline.ranks.twins import TWINS

    class Shared(BatchNorm2d):
        def execute(self, x):
            with shared_among(TWINS):  # not when gradients are computed
                return super().execute(x)

    class Doubled(nn.Module):
        def execute(self, x):
            return kernels.top_down(
                [jt.zeros((3, 17, 14, 9)), x.permute(0, 2, 3, 1)]
            )  # the last row is cut off

    class Masks(MaskHead):
        def execute(self, x):
            return super().execute(x.permute(0, 2, 3, 1), np.array([2, 0, 2]))  # two boxes share a class

    return {
        "conv": Conv2d(9, 4, 3),
        "conv-norm": ConvNorm(9, 4, 3),
        "norm": BatchNorm2d(9),
        "norm-of-ranks": Shared(9),
        "doubled": Doubled(),
        "masks": Masks(DetectHeadConfig(width=9, mask_convs=1), num_classes=3),
    }


def answers(jt, layer, rng) -> list[np.ndarray]:
    """Output, gradients of the input and the parameters, and the running statistics of a layer."""
    layer.train()
    for name, value in layer.named_parameters():
        value.update(jt.array(rng.normal(1.5, 0.3, value.shape).astype(np.float32)))
        if "running" in name:
            value.stop_grad()
    x = jt.array(rng.normal(0.5, 1, (3, 9, 9, 7)).astype(np.float32))
    y = layer(x)
    weights = jt.array(rng.normal(size=y.shape).astype(np.float32))
    trained = [value for name, value in layer.named_parameters() if "running" not in name]
    gradients = jt.grad((y * weights).sum(), [x, *trained])
    statistics = [value for name, value in layer.named_parameters() if "running" in name]
    return [value.numpy() for value in (y, *gradients, *statistics)]


@pytest.mark.parametrize("name", ["conv", "conv-norm", "norm", "norm-of-ranks", "doubled", "masks"])
def test_a_layer_is_that_of_the_processor(jt, monkeypatch, name):
    if jt.flags.use_cuda:
        pytest.skip("for the processor's build of the sources")
    expected = answers(jt, layers(jt)[name], np.random.default_rng(1))
    use_device_sources(monkeypatch)
    found = answers(jt, layers(jt)[name], np.random.default_rng(1))
    assert len(found) == len(expected) >= 2
    for own, processors in zip(found, expected, strict=True):
        assert np.abs(processors).max() > 0
        np.testing.assert_allclose(own, processors, rtol=1e-4, atol=1e-4 * np.abs(processors).max())
