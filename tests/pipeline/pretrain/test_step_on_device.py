"""The training step on the device kernels, their sources built for the processor."""

import numpy as np
import pytest

from tests.cuda_on_host.loading import use_device_sources

# Of a step on a ViT of twelve blocks with a head of three: kernels, products and Jittor's own operators.
MOST_LAUNCHES = 900


@pytest.fixture
def device(jt, monkeypatch):
    """pipeline.kernels on the device sources; as on a card that multiplies bfloat16."""
    if jt.flags.use_cuda:
        pytest.skip("for the processor's build of the sources; a card runs them in all other tests")
    from pipeline import kernels
    from pipeline.kernels import precision

    monkeypatch.setattr(precision, "architecture", lambda: (9, 0))
    handle = use_device_sources(monkeypatch)
    yield handle
    kernels.use_precision("float32")


def toy_run(num_steps):
    """Losses of some steps of the toy network, and the way that its parameters took."""
    from benchmarks.step_inputs import step_batches, step_rates
    from benchmarks.step_sizes import step_config
    from pipeline.pretrain.step import initial_state, train_step

    config = step_config("toy")
    batches, rates, state = step_batches(config), step_rates(config), initial_state(config)
    first = flat(state)
    losses = []
    for step in range(num_steps):
        state, outcome = train_step(state, batches[step], rates, config)
        losses.append(outcome.losses.total.item())
    return np.array(losses), flat(state) - first


def flat(state):
    return np.concatenate([p.numpy().ravel() for _, p in state.student.named_parameters()])


@pytest.fixture(scope="module")
def on_the_processor(jt):
    from pipeline import kernels

    kernels.use("fused")
    return toy_run(3)


# The way is more sensitive than the loss: Adam's first steps have full size however small a gradient is.
@pytest.mark.parametrize(
    ("precision", "loss_tolerance", "way_tolerance"),
    [
        ("float32", 1e-5, 2e-3),
        pytest.param("tf32", 1e-3, 0.15, marks=pytest.mark.slow),
        pytest.param("bfloat16", 1e-2, 0.3, marks=pytest.mark.slow),
    ],
)
def test_steps_are_those_of_the_processor(on_the_processor, device, precision, loss_tolerance, way_tolerance):
    from pipeline import kernels

    losses, way = on_the_processor
    kernels.use_precision(precision)
    found_losses, found_way = toy_run(3)
    assert np.abs(found_losses / losses - 1).max() < loss_tolerance
    assert np.linalg.norm(found_way - way) < way_tolerance * np.linalg.norm(way)


@pytest.mark.slow
def test_the_same_bits_twice_in_bfloat16(device):
    from pipeline import kernels

    kernels.use_precision("bfloat16")
    (losses, way), (losses_again, way_again) = toy_run(2), toy_run(2)
    assert np.array_equal(losses, losses_again)
    assert np.array_equal(way, way_again)


@pytest.mark.slow
def test_few_launches(jt, device):
    from benchmarks.step_inputs import step_batches, step_rates
    from benchmarks.step_sizes import step_config
    from pipeline import kernels
    from pipeline.pretrain.step import initial_state, train_step
    from pipeline.pretrain.upload import uploaded

    kernels.use_precision("bfloat16")
    config = step_config("toy", {"backbone": {"depth": 12}})
    batches, rates, state = step_batches(config), step_rates(config), initial_state(config)
    batch = uploaded(batches[0])
    state, _ = train_step(state, batch, rates, config)  # compiles
    jt.sync_all(True)
    before = device.cuda_on_host_launches()
    jt.profiler.start(0, 0)
    state, _ = train_step(state, batch, rates, config)
    jt.sync_all(True)
    jt.profiler.stop()
    ours = device.cuda_on_host_launches() - before
    operators = [row for row in jt.profiler.report()[1:] if "code" not in row[0]]
    jittors = sum(int(row[2]) for row in operators)
    assert ours > 300  # else they were not counted
    assert ours + jittors <= MOST_LAUNCHES, (ours, jittors)
