"""Every hierarchical base against PyTorch in float64: what it puts out, its gradients, its taps."""

import numpy as np
import pytest

from tests.pipeline.models.backbones.small_base import base_config, build, random_images, random_mask
from tests.pipeline.pretrain.small_run import relative_error, without_key_bias

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")

CASES = [
    ("swin", {}, (32, 32)),
    ("swin", {"patch_size": 1, "window_size": 4}, (24, 40)),  # windows that the maps do not fill
    ("convnext", {}, (32, 32)),
    ("convnext", {"patch_size": 4, "kernel_size": 7}, (32, 64)),
    ("resnet", {}, (32, 48)),
    ("resnet", {"patch_size": 1, "bottleneck": True, "embed_dim": 16}, (16, 32)),
    ("resnet", {"patch_size": 4, "bottleneck": True}, (32, 64)),
]


@pytest.mark.parametrize(("kind", "changes", "size"), CASES)
def test_equals_torch_float64(jt, rng, kind, changes, size):
    from pipeline.models.weights import named_arrays
    from tests.oracles import torch_bases

    config = base_config(kind, **changes)
    network = build(config, rng)
    images = random_images(rng, 2, *size)
    mask = random_mask(rng, config, 2, *size)
    scales = rng.choice([0, 1.0, 1.6], size=(config.num_blocks, 2, 2)).astype(np.float32)
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((2, config.dim), (1, 1, config.dim))]

    tokens = network(jt.array(images), jt.array(mask), jt.array(scales))
    named = network.named_parameters()
    loss = (tokens.cls * jt.array(weights[0])).sum() + (tokens.patches**2 * jt.array(weights[1])).sum()
    gradients = jt.grad(loss, [p for _, p in named])

    p = {name: torch.tensor(a).double().requires_grad_() for name, a in named_arrays(network).items()}
    maps, cls, patches = torch_bases.base(
        p,
        config,
        torch.tensor(images).double(),
        torch.tensor(mask),
        torch.tensor(scales).double(),
    )
    expected = (cls * torch.tensor(weights[0])).sum() + (patches**2 * torch.tensor(weights[1])).sum()
    slopes = torch.autograd.grad(expected, [*p.values()])

    assert relative_error(tokens.cls.numpy(), cls.detach().numpy()) < 1e-5
    assert relative_error(tokens.patches.numpy(), patches.detach().numpy()) < 1e-5
    feature_map = maps[-1].permute(0, 2, 3, 1).detach().numpy()
    assert relative_error(tokens.feature_map.numpy(), feature_map) < 1e-5
    by_name = dict(zip(p, slopes, strict=True))
    for (name, _), gradient in zip(named, gradients, strict=True):
        found, slope = (without_key_bias(name, g.numpy()) for g in (gradient, by_name[name]))
        assert relative_error(found, slope) < 2e-4, name


@pytest.mark.parametrize(("kind", "changes", "size"), [CASES[0], CASES[2], CASES[6]])
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
        assert tuple(plain[stage].shape) == (2, dim, size[0] // stride, size[1] // stride)
        assert relative_error(plain[stage].numpy(), maps[end].numpy()) < 1e-5
        expected = maps[end]
        if kind != "resnet":
            places = maps[end].permute(0, 2, 3, 1)
            eps = {"swin": 1e-5, "convnext": 1e-6}[kind]
            own = (p["norm.weight"], p["norm.bias"]) if stage == 3 else (None, None)
            expected = torch.nn.functional.layer_norm(places, places.shape[-1:], *own, eps)
            expected = expected.permute(0, 3, 1, 2)
        assert relative_error(normed[stage].numpy(), expected.numpy()) < 1e-5

    vectors, mean = network.features(jt.array(images), config.depths[-1])
    assert tuple(vectors.shape) == (2, config.depths[-1], config.dim)
    assert relative_error(vectors[:, -1].numpy(), vector.numpy()) < 1e-5
    assert relative_error(mean.numpy(), patches.mean(dim=1).numpy()) < 1e-5
    before = torch_bases.KINDS[kind][2](p, maps[-2])[0]
    assert relative_error(vectors[:, -2].numpy(), before.numpy()) < 1e-5
