"""Every kind of head on further grids, and with a first shortcut, against PyTorch in float64."""

import numpy as np
import pytest

from tests.pipeline.models.auxiliary_heads.small_head import (
    GRID,
    KINDS,
    NUM_HEADS,
    build,
    head_config,
    random_map,
    scrambled,
)
from tests.pipeline.pretrain.small_run import relative_error, without_key_bias

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")

# The grid of global crops; one that windows do not divide, as of local crops; a narrow one.
# test_auxiliary_heads_golden.py has (5, 7) without the first shortcut.
CASES = [(GRID, False), (GRID, True), ((5, 7), True), ((2, 3), False), ((2, 3), True)]


def assert_equal_to_torch(jt, rng, kind, grid, first_shortcut):
    from pipeline.models.weights import named_arrays
    from tests.oracles import torch_heads

    network = scrambled(build(kind, first_shortcut=first_shortcut), rng)
    feature_map = random_map(rng, grid, batch=3)
    weighting = rng.normal(size=(3, feature_map.shape[-1])).astype(np.float32)
    scales = np.array([[0, 1.25, 1.25], [1.5, 0, 1.5], [2, 2, 0]], np.float32)

    x = jt.array(feature_map)
    found = network(x, jt.array(scales))
    named = network.named_parameters()
    gradients = jt.grad((found * jt.array(weighting)).sum(), [x, *(p for _, p in named)])

    p = {name: torch.tensor(a).double().requires_grad_() for name, a in named_arrays(network).items()}
    y = torch.tensor(feature_map).double().requires_grad_()
    expected = torch_heads.head(
        p,
        head_config(kind, first_shortcut=first_shortcut),
        y.permute(0, 3, 1, 2),
        grid=GRID,
        num_heads=NUM_HEADS,
        drop_path_scales=torch.tensor(scales).double(),
    )
    slopes = torch.autograd.grad((expected * torch.tensor(weighting)).sum(), [y, *p.values()])

    assert relative_error(found.numpy(), expected.detach().numpy()) < 1e-5
    assert p.keys() == {name for name, _ in named}
    assert relative_error(gradients[0].numpy(), slopes[0].numpy()) < 1e-4
    by_name = dict(zip(p, slopes[1:], strict=True))
    for (name, _), gradient in zip(named, gradients[1:], strict=True):
        slope = without_key_bias(name, by_name[name].numpy())
        assert relative_error(without_key_bias(name, gradient.numpy()), slope) < 1e-4, name


@pytest.mark.parametrize(("grid", "first_shortcut"), CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_torch_float64(jt, rng, kind, grid, first_shortcut):
    assert_equal_to_torch(jt, rng, kind, grid, first_shortcut)
