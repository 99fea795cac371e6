"""Steps of methods, heads and bases on the device sources: gradients are right, sums in a fixed order."""

import numpy as np
import pytest

from tests.benchmarks.test_dense_step_on_device import adding
from tests.cuda_on_host.loading import use_device_sources
from tests.pipeline.models.backbones.small_base import SMALL
from tests.pipeline.pretrain.small_run import (
    SMALL_METHODS,
    a_batch_of_method,
    config_of_method,
    relative_error,
    small_config,
)
from tests.pipeline.pretrain.test_methods import gradients, rates_of

HEADS = ("convnext", "mixer", "poolformer", "resmlp", "resnet", "separable", "swin", "vit")
BASES = ("convnext", "resnet", "swin")
SOFTMAX = "OP:exp"  # Jittor's own softmax is another operator on a card, a block for each row


def config_of_base(kind: str):
    base = {"kind": kind, "size": "custom", "image_size": 32, **SMALL[kind]}
    return small_config(backbone=base, auxiliary_head=None, crops={"global_size": 32, "num_local": 0})


@pytest.fixture(params=[*SMALL_METHODS, *HEADS, *(f"base-{kind}" for kind in BASES)])
def config(jt, request):
    if jt.flags.use_cuda:
        pytest.skip("for the processor's build of the sources")
    if request.param in SMALL_METHODS:
        return config_of_method(request.param, head=True)
    if request.param.startswith("base-"):
        return config_of_base(request.param.removeprefix("base-"))
    return small_config(auxiliary_head={"kind": request.param, "depth": 1})


@pytest.mark.slow
def test_gradients_are_those_of_the_processor(monkeypatch, config):
    batch = a_batch_of_method(config, np.random.default_rng(0))
    expected = gradients(config, batch)
    use_device_sources(monkeypatch)
    found = gradients(config, batch)
    assert found.keys() == expected.keys()
    largest = max(np.linalg.norm(each) for each in expected.values())
    for name, gradient in expected.items():
        if np.linalg.norm(gradient) > 1e-4 * largest:  # else it is rounding noise, as of keys' biases
            assert relative_error(found[name], gradient) < 1e-3, name


@pytest.mark.slow
def test_nothing_of_jittors_adds(jt, monkeypatch, config):
    from pipeline.pretrain.step import initial_state, train_step

    use_device_sources(monkeypatch)
    state, batch = initial_state(config), a_batch_of_method(config, np.random.default_rng(0))
    train_step(state, batch, rates_of(config), config)
    keys = adding(jt, lambda: train_step(state, batch, rates_of(config), config))
    assert [key for key in keys if SOFTMAX not in key] == []
