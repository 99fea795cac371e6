"""The first tensor that is not finite, in the order in which a step computes."""

import numpy as np
import pytest

from tests.pipeline.pretrain.small_run import a_batch, small_config


@pytest.fixture
def parts(jt, rng):
    """State, batch, rates and configuration of a small step."""
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.step import initial_state

    config = small_config()
    rates = Schedule(config.schedule, config.objective, num_images=4).at(0)
    return initial_state(config), a_batch(config, rng), rates, config


def looked(parts):
    from pipeline.pretrain.non_finite.step_check import check_step

    return check_step(*parts)


def test_a_step_that_is_well_has_no_such_tensor_and_its_losses(parts):
    look = looked(parts)
    assert look.broken is None
    assert look.num_finite > 200
    assert all(np.isfinite(value) for value in look.losses.values())


def test_it_leaves_networks_and_kernels_as_they_were(parts):
    from pipeline import kernels
    from pipeline.kernels import dense, self_attention

    looked(parts)
    assert kernels.linear is dense.linear
    assert kernels.attention is self_attention.attention
    for _, module in parts[0].student.named_modules():
        assert "execute" not in vars(module)


def test_a_weight_is_named_with_its_statistics(jt, parts):
    from pipeline.models.weights import assign_parameters

    name, parameters = "backbone.blocks.1.mlp.expand.weight", dict(parts[0].student.named_parameters())
    broken = parameters[name].numpy().copy()
    broken[2, 3] = np.nan
    assign_parameters({name: parameters[name]}, {name: broken}, "test")
    found = looked(parts).broken
    assert found.name == f"before the step: student/{name}"
    assert (found.num_nan, found.num_inf, found.place) == (1, 0, (2, 3))
    assert found.smallest == pytest.approx(np.nanmin(broken))
    assert "1 NaN and 0 infinite" in str(found)


def test_an_operator_of_the_forward_pass_is_named_with_its_part(jt, parts, monkeypatch):
    from pipeline import kernels

    right = kernels.depthwise_conv
    monkeypatch.setattr(kernels, "depthwise_conv", lambda *given: right(*given) / 0.0)
    found = looked(parts).broken
    assert found.name.startswith("depthwise_conv in ")
    assert "auxiliary_head.blocks.0" in found.name


def test_a_gradient_is_named_where_all_before_it_is_finite(jt, parts, monkeypatch):
    from pipeline.kernels import depthwise

    class NonFiniteTensor(depthwise._DepthwiseConv):
        def grad(self, out_grad):
            first, weight, bias = super().grad(out_grad)
            return [first, weight / 0.0, bias]

    if not hasattr(depthwise, "_DepthwiseConv"):
        pytest.skip("no fused kernels here")
    monkeypatch.setattr(depthwise, "_DepthwiseConv", NonFiniteTensor)
    found = looked(parts).broken
    assert found.name.startswith("the gradient of student/auxiliary_head.blocks.")
    assert found.name.endswith(".conv.weight")
