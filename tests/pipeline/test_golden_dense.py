"""Decoders, parts of the detector and losses against numbers that PyTorch gave in float64."""

import numpy as np
import pytest

from tests.golden import networks
from tests.golden.numbers import assert_equal, golden_numbers, numbers_of_groups
from tests.level_maps import maps_of

TOLERANCES = {"inputs": 1e-6, "values": 2e-5, "gradients": 2e-4}


def values_and_loss(jt, case, network, given):
    """Values by name, and what is differentiated."""
    maps = [given[name] for name in given if name.startswith("map")]
    if case == "UPerNet":
        logits = network(maps, given["scales"])
        return {"logits": logits}, (logits * given["weighting"]).sum()
    if case == "FPN":
        levels = maps_of(network([x.permute(0, 2, 3, 1) for x in maps]))
        return {f"level {i}": level for i, level in enumerate(levels)}, sum((x**2).sum() for x in levels)
    parts = network(given["pooled"].permute(0, 2, 3, 1), networks.mask_head_inputs()["classes"])
    logits = parts.permute(0, 1, 3, 2, 4).reshape(-1, 28, 28)
    return {"logits": logits}, (logits**2).sum()


def assert_golden(jt, case, inputs, weights, values, loss, sources):
    slopes = jt.grad(loss, list(sources.values()))
    gradients = {name: g.numpy() for name, g in zip(sources, slopes, strict=True)}
    values = {name: value.numpy() for name, value in values.items()}
    found = numbers_of_groups(networks.groups_of(inputs, weights, values, gradients))
    assert_equal(found, golden_numbers("dense")[case], TOLERANCES)


@pytest.mark.parametrize("case", networks.DENSE)
def test_values_and_every_gradient(jt, case):
    build, inputs_of = networks.DENSE[case]
    network, inputs = build(), inputs_of()
    weights = networks.weights_of(network)
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    for name, parameter in trained.items():
        parameter.assign(jt.array(weights[name]))
        parameter.start_grad()
    given = {name: jt.array(array) for name, array in inputs.items()}
    values, loss = values_and_loss(jt, case, network, given)
    sources = {name: x for name, x in given.items() if name.startswith("map")} | trained
    assert_golden(jt, case, inputs, weights, values, loss, sources)


@pytest.mark.parametrize("case", networks.LOSSES)
def test_losses(jt, case):
    from pipeline.detection import losses as detection
    from pipeline.segmentation.losses import pixel_cross_entropy

    in_numpy = {
        "binary cross-entropy": detection.binary_cross_entropy,
        "smooth L1": lambda x, target: detection.smooth_l1(x, target, networks.SMOOTH_L1_BETA),
        "cross-entropy": detection.cross_entropy,
    }
    inputs = networks.loss_inputs(case)
    x, target = jt.array(inputs["x"]), inputs["target"]
    if case in in_numpy:
        values, slopes = in_numpy[case](inputs["x"], target)
        mean = "weighting" not in inputs
        weighting = np.full((len(values), 1), 1 / len(values)) if mean else inputs["weighting"]
        total = values.mean() if mean else (values * weighting).sum()
        terms = {"loss": [detection.KnownLoss(total, x, slopes * weighting)]}
        loss = detection.with_gradients(terms)["loss"]
        value = loss if mean else jt.array(values.astype(np.float32))
    else:
        loss = value = pixel_cross_entropy(x, target)
    assert_golden(jt, case, inputs, {}, {"loss": value}, loss, {"x": x})


@pytest.mark.parametrize("case", [*networks.DENSE, *networks.LOSSES])
def test_pytorch_gives_the_numbers_of_the_file(jt, case):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from tests.golden.with_torch import dense

    assert_equal(dense(case), golden_numbers("dense")[case], dict.fromkeys(TOLERANCES, 1e-9))
