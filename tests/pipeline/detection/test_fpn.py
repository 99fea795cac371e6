import numpy as np
import pytest


def test_levels_against_pytorch(jt, rng):
    """Values and gradients, with odd sizes and a fifth level."""
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from pipeline.detection.fpn import Fpn
    from pipeline.models.initialization import initialize_head

    sizes = [(10, 13), (5, 7), (3, 4), (2, 2)]
    arrays = [rng.normal(size=(2, 6, *size)).astype(np.float32) for size in sizes]
    network = Fpn([6] * 4, 5, 5)
    initialize_head(network, seed=0)
    inputs = [jt.array(array) for array in arrays]
    levels = network(inputs)
    gradients = jt.grad(sum((level**2).sum() for level in levels), inputs)

    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    weight = {name: torch.tensor(value.numpy()) for name, value in network.named_parameters()}
    sums = []
    for index, x in enumerate(theirs):
        kernel = weight[f"lateral.{index}.weight"][:, :, None, None]
        sums.append(torch.nn.functional.conv2d(x, kernel, weight[f"lateral.{index}.bias"]))
    for index in (2, 1, 0):
        grown = torch.nn.functional.interpolate(sums[index + 1], scale_factor=2, mode="nearest")
        sums[index] = sums[index] + grown[:, :, : sizes[index][0], : sizes[index][1]]
    expected = [
        torch.nn.functional.conv2d(x, weight[f"smooth.{i}.weight"], weight[f"smooth.{i}.bias"], padding=1)
        for i, x in enumerate(sums)
    ]
    expected.append(torch.nn.functional.max_pool2d(expected[-1], 1, 2))
    sum((level**2).sum() for level in expected).backward()
    for found, wanted in zip(levels, expected, strict=True):
        assert np.allclose(found.numpy(), wanted.detach().numpy(), atol=2e-5)
    for found, wanted in zip(gradients, theirs, strict=True):
        assert np.allclose(found.numpy(), wanted.grad.numpy(), atol=2e-4)


def test_levels_that_do_not_fit(jt):
    from pipeline.detection.fpn import doubled

    assert doubled(jt.ones((1, 1, 2, 2)), (3, 4)).shape == [1, 1, 3, 4]
    with pytest.raises(ValueError, match="expected a map of half of 7 x 4, found 2 x 2"):
        doubled(jt.ones((1, 1, 2, 2)), (7, 4))
