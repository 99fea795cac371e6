"""Taps and features of every hierarchical base against PyTorch in float64."""

import numpy as np
import pytest

from tests.pipeline.models.backbones.small_base import base_config, build, random_images
from tests.pipeline.pretrain.small_run import relative_error

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")

CASES = [
    ("swin", {}, (32, 32)),
    ("convnext", {}, (32, 32)),
    ("resnet", {"patch_size": 4, "bottleneck": True}, (32, 64)),
]


@pytest.mark.parametrize(("kind", "changes", "size"), CASES)
def test_taps_and_features_equal_torch(jt, rng, kind, changes, size):
    from pipeline.models.weights import named_arrays
    from tests.oracles import torch_bases

    config = base_config(kind, **changes)
    network = build(config, rng)
    images = random_images(rng, 2, *size)
    p = {name: torch.tensor(a).double() for name, a in named_arrays(network).items()}
    maps, vector, patches = torch_bases.base(p, config, torch.tensor(images).double())
    ends = np.cumsum(config.depths) - 1
    plain, normed = (network.taps(jt.array(images), normed=choice) for choice in (False, True))
    for stage, end in enumerate(ends):
        dim, stride = config.stage_dims[stage], config.stage_strides[stage]
        assert tuple(plain[stage].shape) == (2, size[0] // stride, size[1] // stride, dim)
        assert relative_error(plain[stage].numpy(), maps[end].permute(0, 2, 3, 1).numpy()) < 1e-5
        expected = maps[end].permute(0, 2, 3, 1)
        if kind != "resnet":
            eps = {"swin": 1e-5, "convnext": 1e-6}[kind]
            own = (p["norm.weight"], p["norm.bias"]) if stage == 3 else (None, None)
            expected = torch.nn.functional.layer_norm(expected, expected.shape[-1:], *own, eps)
        assert relative_error(normed[stage].numpy(), expected.numpy()) < 1e-5

    vectors, mean = network.features(jt.array(images), config.depths[-1])
    assert tuple(vectors.shape) == (2, config.depths[-1], config.dim)
    assert relative_error(vectors[:, -1].numpy(), vector.numpy()) < 1e-5
    assert relative_error(mean.numpy(), patches.mean(dim=1).numpy()) < 1e-5
    before = torch_bases.KINDS[kind][2](p, maps[-2])[0]
    assert relative_error(vectors[:, -2].numpy(), before.numpy()) < 1e-5
