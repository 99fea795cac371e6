"""The look at one step's gradients: it changes no bit, and finds a share that goes missing later."""

import numpy as np
import pytest

from pipeline.config.stages import RuntimeConfig
from tests.pipeline.pretrain.small_run import config_of_method, small_config

KEYS = {"checkpoint_every_minutes": 1e-9, "log_every_steps": 1}


def of_six_steps(config, **schedule):
    return config.model_copy(
        update={"schedule": config.schedule.model_copy(update={"epochs": 2.4, **schedule})}
    )


def trained(dataset, output, config, *, watched):
    from pipeline.pretrain.training import pretrain

    output.mkdir()
    runtime = RuntimeConfig(**KEYS, watch_gradients=watched)
    state = pretrain(config, dataset, output, runtime=runtime, report=lambda progress: None)
    return {name: value.numpy().copy() for name, value in state.tensors.items()}


@pytest.fixture
def looks(jt, monkeypatch):
    """The steps that are looked at."""
    from pipeline import kernels
    from pipeline.training.gradient_watch import GradientWatch

    if kernels.current() != "fused":
        pytest.skip("plain operators are not compared with themselves")
    right, steps = GradientWatch.compare, []

    def noted(watch, *given, **named):
        steps.append(watch.step)
        right(watch, *given, **named)

    monkeypatch.setattr(GradientWatch, "compare", noted)
    return steps


@pytest.fixture
def rounding(jt, monkeypatch):
    """The largest difference of each look."""
    from pipeline.training import gradient_watch

    right, largest = gradient_watch.relative_differences, []

    def noted(found, expected):
        differences = right(found, expected)
        largest.append(max(differences.values()))
        return differences

    monkeypatch.setattr(gradient_watch, "relative_differences", noted)
    return largest


CASES = {
    "hssl": of_six_steps(small_config()),
    "microbatches": of_six_steps(small_config(), accumulation_steps=2),
    "batch norm": of_six_steps(
        small_config(
            projection_head={"hidden_dim": 20, "bottleneck_dim": 12, "num_prototypes": 19, "norm": "batch"}
        )
    ),
    "mocov3": of_six_steps(config_of_method("mocov3", head=True)),
    "mae": of_six_steps(config_of_method("mae", head=True)),
}
ROUNDED = {"bfloat16": of_six_steps(small_config(), precision="bfloat16")}


@pytest.mark.parametrize("case", CASES)
def test_a_watched_training_has_the_same_bits(jt, looks, tiny_dataset, tmp_path, case):
    config = CASES[case]
    expected = trained(tiny_dataset, tmp_path / "alone", config, watched=False)
    assert looks == []
    found = trained(tiny_dataset, tmp_path / "watched", config, watched=True)
    assert len(looks) == 1
    assert 2 <= looks[0] <= 5
    differ = [name for name, value in expected.items() if not np.array_equal(found[name], value)]
    assert differ == []


@pytest.mark.parametrize("case", [*CASES, *ROUNDED])
def test_rounding_is_far_below_the_tolerance(jt, looks, rounding, tiny_dataset, tmp_path, case):
    from pipeline import kernels
    from pipeline.training.gradient_watch import TOLERANCES

    config = (CASES | ROUNDED)[case]
    before, precision = kernels.current_precision(), "bfloat16" if case in ROUNDED else "float32"
    kernels.use_precision(precision)
    try:
        trained(tiny_dataset, tmp_path / "run", config, watched=True)
    finally:
        kernels.use_precision(before)
    assert len(rounding) == 1
    assert 0 < rounding[0] < TOLERANCES[precision] / 4


def test_with_another_optimiser_there_is_no_look(jt, looks, tiny_dataset, tmp_path):
    """Its operators are compiled together with those of the gradients: a look would move the last bits."""
    config = of_six_steps(small_config(), optimizer="sgd", base_lr=0.01)
    trained(tiny_dataset, tmp_path / "run", config, watched=True)
    assert looks == []


@pytest.mark.parametrize("missing", [0.1, 0.04])
def test_a_share_that_goes_missing_in_a_later_pass_stops_the_run(
    jt, looks, tiny_dataset, tmp_path, monkeypatch, missing
):
    from pipeline.kernels.prototype_loss import _PrototypeCrossEntropy
    from pipeline.training.gradient_watch import GradientsDiffer

    right, passes = _PrototypeCrossEntropy.grad, []

    def losing(operator, loss_grad):
        passes.append(operator)
        first, *others = right(operator, loss_grad)
        return (first * (1 - missing) if len(passes) > 3 else first, *others)

    monkeypatch.setattr(_PrototypeCrossEntropy, "grad", losing)
    message = (
        r"step [3-6]: the gradient of \S+ has norm \S+, that of plain operators \S+; they differ by 0\.\d+"
    )
    with pytest.raises(GradientsDiffer, match=message):
        trained(tiny_dataset, tmp_path / "run", CASES["hssl"], watched=True)
    from pipeline.weights.arrays import read_arrays

    _, metadata = read_arrays(tmp_path / "run" / "checkpoint.safetensors")
    assert metadata["step"] == looks[0], "the last checkpoint is from before"
