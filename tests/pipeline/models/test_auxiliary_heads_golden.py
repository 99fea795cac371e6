"""Every kind of head against numbers that PyTorch gave in float64 (tests/golden/heads.json)."""

import pytest

from tests.golden import networks
from tests.golden.numbers import assert_equal, golden_numbers, numbers_of_groups
from tests.pipeline.models.auxiliary_heads.small_head import build

# A kind without an oracle in PyTorch has no golden numbers.
KINDS = golden_numbers("heads")
TOLERANCES = {"inputs": 1e-6, "values": 1e-5, "gradients": 1e-4}


@pytest.mark.parametrize("kernels", ["plain", "fused"])
@pytest.mark.parametrize("kind", KINDS)
def test_value_and_every_gradient(jt, kind, kernels):
    from pipeline import kernels as choice
    from pipeline.models.weights import assign_arrays

    choice.use(kernels)
    try:
        head, inputs = build(kind), networks.head_inputs()
        weights = networks.weights_of(head)
        assign_arrays(head, weights, "test")
        x = jt.array(inputs["map"])
        vector = head(x, jt.array(inputs["scales"]))
        sources = {"map": x, **dict(head.named_parameters())}
        slopes = jt.grad((vector * jt.array(inputs["weighting"])).sum(), list(sources.values()))
        gradients = {name: g.numpy() for name, g in zip(sources, slopes, strict=True)}
        found = numbers_of_groups(networks.groups_of(inputs, weights, {"vector": vector.numpy()}, gradients))
    finally:
        choice.use("fused")
    assert_equal(found, KINDS[kind], TOLERANCES)


@pytest.mark.parametrize("kind", KINDS)
def test_pytorch_gives_the_numbers_of_the_file(jt, kind):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from tests.golden.with_torch import FILES, head

    assert list(KINDS) == list(FILES["heads"][1])
    assert_equal(head(kind), KINDS[kind], dict.fromkeys(TOLERANCES, 1e-9))
