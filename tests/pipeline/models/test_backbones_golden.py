"""Every hierarchical base against numbers that PyTorch gave in float64 (tests/golden/bases.json)."""

import pytest

from tests.golden import networks
from tests.golden.numbers import assert_equal, golden_numbers, numbers_of_groups
from tests.pipeline.models.backbones.small_base import base_config, build

TOLERANCES = {"inputs": 1e-6, "values": 1e-5, "gradients": 2e-4}


@pytest.mark.parametrize("case", networks.BASES)
def test_values_and_every_gradient(jt, case):
    from pipeline.models.weights import assign_arrays

    kind, changes, size = networks.BASES[case]
    config = base_config(kind, **changes)
    network, inputs = build(config), networks.base_inputs(config, size)
    weights = networks.weights_of(network)
    assign_arrays(network, weights, "test")
    tokens = network(*(jt.array(inputs[name]) for name in ("images", "mask", "scales")))
    loss = (tokens.cls * jt.array(inputs["cls weighting"])).sum()
    loss = loss + (tokens.patches**2 * jt.array(inputs["patch weighting"])).sum()
    named = dict(network.named_parameters())
    slopes = jt.grad(loss, list(named.values()))
    gradients = {name: g.numpy() for name, g in zip(named, slopes, strict=True)}
    values = {"cls": tokens.cls, "patches": tokens.patches, "map": tokens.feature_map}
    values = {name: value.numpy() for name, value in values.items()}
    found = numbers_of_groups(networks.groups_of(inputs, weights, values, gradients))
    assert_equal(found, golden_numbers("bases")[case], TOLERANCES)


@pytest.mark.parametrize("case", networks.BASES)
def test_pytorch_gives_the_numbers_of_the_file(jt, case):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from tests.golden.with_torch import base

    assert_equal(base(case), golden_numbers("bases")[case], dict.fromkeys(TOLERANCES, 1e-9))
