"""Options of the projection head against PyTorch in float64: values and every gradient."""

import numpy as np
import pytest

from pipeline.config.models import ProjectionHeadConfig

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
SIZES = {"hidden_dim": 7, "bottleneck_dim": 4, "num_prototypes": 5}


def torch_mlp(p, config, x):
    """x (M, D) -> unit vectors."""
    functional = torch.nn.functional
    for index in range(config.num_layers - 1):
        name = f"base.hidden.{index}"
        x = functional.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])
        if config.norm != "none":
            weight, bias = p[f"{name}.norm.weight"], p[f"{name}.norm.bias"]
            if config.norm == "batch":
                x = functional.batch_norm(x, None, None, weight, bias, training=True)
            else:
                x = functional.layer_norm(x, x.shape[-1:], weight, bias)
        x = torch.relu(x) if config.activation == "relu" else functional.gelu(x)
    x = functional.linear(x, p["base.bottleneck.weight"], p["base.bottleneck.bias"])
    return functional.normalize(x, dim=-1)


def with_random_weights(head, rng):
    from pipeline.models.weights import assign_arrays, named_arrays

    arrays = {n: rng.normal(size=a.shape).astype(np.float32) for n, a in named_arrays(head).items()}
    assign_arrays(head, arrays, "test")
    return {n: torch.tensor(a).double().requires_grad_() for n, a in arrays.items()}


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("shared", [True, False])
def test_values_and_gradients(jt, rng, norm, activation, shared):
    from pipeline.models.projection_head import ProjectionHead, logits

    config = ProjectionHeadConfig(
        **SIZES, shared=shared, teacher_shared=shared, num_patch_prototypes=None if shared else 6,
        norm=norm, activation=activation, learnt_gain=True,
    )  # fmt: skip
    head = ProjectionHead(config, 3, auxiliary=False, shared=shared)
    p = with_random_weights(head, rng)
    cls, patches = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 3), (4, 6, 3)))
    cls_slope, patch_slope = rng.normal(size=(4, 5)), rng.normal(size=(24, 5 if shared else 6))

    vectors = torch_mlp(p, config, torch.tensor(np.concatenate([cls, patches.reshape(-1, 3)])).double())
    units = torch.nn.functional.normalize(p["prototypes"], dim=-1) * p["gain"]
    patch_units = units
    if not shared:
        patch_units = torch.nn.functional.normalize(p["patch_prototypes"], dim=-1) * p["patch_gain"]
    expected = vectors[:4] @ units.T, vectors[4:] @ patch_units.T
    total = (expected[0] * torch.tensor(cls_slope)).sum() + (expected[1] * torch.tensor(patch_slope)).sum()
    total.backward()

    cls_vectors, patch_vectors = head.base_tokens(jt.array(cls), jt.array(patches))
    own = head.unit_patch_prototypes()
    assert (own is None) == shared
    common = head.unit_prototypes()
    found = logits(cls_vectors, common), logits(patch_vectors, common if shared else own)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-4)
    slopes = (cls_slope, patch_slope)
    loss = sum((x * jt.array(s.astype(np.float32))).sum() for x, s in zip(found, slopes, strict=True))
    named = head.named_parameters()
    assert {name for name, _ in named} == p.keys()
    gradients = jt.grad(loss, [parameter for _, parameter in named])
    for (name, _), gradient in zip(named, gradients, strict=True):
        theirs = p[name].grad.numpy()
        # A batch norm cancels the bias before it: its gradient is 0 but for rounding.
        np.testing.assert_allclose(gradient.numpy(), theirs, rtol=1e-3, atol=1e-3, err_msg=name)


def test_the_published_head_has_no_further_parameters_and_starts_as_before(jt):
    from pipeline.models.initialization import initial_value, initialize
    from pipeline.models.projection_head import ProjectionHead
    from pipeline.models.weights import named_arrays

    published = ProjectionHead(ProjectionHeadConfig(**SIZES), 3, auxiliary=False)
    initialize(published, 3)
    names = {
        f"base.{layer}.{kind}"
        for layer in ("hidden.0", "hidden.1", "bottleneck")
        for kind in ("weight", "bias")
    }
    assert named_arrays(published).keys() == names | {"prototypes"}
    config = ProjectionHeadConfig(**SIZES, shared=False, norm="batch", learnt_gain=True)
    full = ProjectionHead(config, 3, auxiliary=False, shared=False)
    initialize(full, 3)
    arrays = named_arrays(full)
    for name, array in named_arrays(published).items():
        assert np.array_equal(arrays[name], array)
    for name in ("gain", "patch_gain", "base.hidden.0.norm.weight"):
        assert np.array_equal(arrays[name], np.ones_like(arrays[name])), name
    assert np.array_equal(arrays["patch_prototypes"], initial_value("patch_prototypes", (5, 4), 3))
    assert not np.array_equal(arrays["patch_prototypes"], arrays["prototypes"])


def test_gains_and_prototypes_decay_as_those_of_ibot():
    from pipeline.optim.param_groups import decays

    assert decays("projection_head.gain", (5, 1))
    assert decays("projection_head.patch_prototypes", (5, 4))
    assert not decays("projection_head.base.hidden.0.norm.weight", (7,))


@pytest.mark.parametrize("shares", [{"shared": True, "teacher_shared": False}, {"shared": False}, {}])
def test_another_number_of_patch_prototypes_needs_layers_of_their_own(shares):
    with pytest.raises(ValueError, match="needs shared = false and teacher_shared = false"):
        ProjectionHeadConfig(num_prototypes=8, num_patch_prototypes=9, **shares)
    assert ProjectionHeadConfig(num_prototypes=8, num_patch_prototypes=8, **shares).patch_dim == 8
