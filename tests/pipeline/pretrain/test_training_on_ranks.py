"""Two ranks and four train as one does, also where they exchange as GPUs do, over a stand-in for NCCL."""

import shutil

import numpy as np
import pytest

from pipeline.training.metrics_log import read_metrics
from tests.pipeline.pretrain.ranks_run import AFTER_THREE, CONFIGS, NUM_STEPS, train
from tests.pipeline.pretrain.small_run import relative_error, without_key_bias
from tests.pipeline.several_ranks import needs_mpi, run_on_ranks

pytestmark = [needs_mpi, pytest.mark.slow]  # processes that wait for one another
AS_GPUS = "as GPUs"
MODULE = "tests.pipeline.pretrain.ranks_run"
# Batch norms of eight rows divide by small deviations: rounding is largest in biases that hardly moved, by
# 1.3e-5 of their length in "hssl-byol" at two ranks. All parameters together are held to 1e-5 as elsewhere.
OF_EIGHT_ROWS = ("hssl-norm", "mocov3", "hssl-mocov3", "simclr", "hssl-simclr", "byol", "hssl-byol")
TIMES = ("images_per_second", "data_wait_share")


@pytest.fixture(scope="module")
def trained(jt, tiny_dataset, tmp_path_factory):
    """Every configuration by "one" rank, "two", "four", and two "as GPUs"; from step 3 on, in "one-two"."""
    root, data = tmp_path_factory.mktemp("trained"), tiny_dataset.directory
    for name in CONFIGS:
        train(root / "one" / name, data)
    for count, by in ((2, "two"), (4, "four")):
        run_on_ranks(count, "-m", MODULE, str(data), *(str(root / by / name) for name in CONFIGS))
    run_on_ranks(2, "-m", MODULE, str(data), *(str(root / AS_GPUS / name) for name in CONFIGS), AS_GPUS="1")
    for first, second in (("two", "two"), ("one", "two"), ("four", "two"), ("two", "one")):
        goes_on = root / f"{first}-{second}" / "hssl"
        goes_on.mkdir(parents=True)
        shutil.copy(root / first / "hssl" / AFTER_THREE, goes_on / "checkpoint.safetensors")
    goes_on = [root / f"{first}-two" / "hssl" for first in ("two", "one", "four")]
    by_two = [*goes_on, root / "again" / "hssl-adamw"]
    run_on_ranks(2, "-m", MODULE, str(data), *map(str, by_two))
    train(root / "two-one" / "hssl", data)
    return root


def arrays(folder) -> dict[str, np.ndarray]:
    from pipeline.weights.arrays import read_arrays

    found, metadata = read_arrays(folder / "checkpoint.safetensors")
    assert metadata["step"] == NUM_STEPS
    return found


def differences(found, expected) -> dict[str, float]:
    assert found.keys() == expected.keys()
    return {
        name: relative_error(*(without_key_bias(name, each[name]) for each in (found, expected)))
        for name in expected
    }


@pytest.mark.parametrize("by", ["two", "four", AS_GPUS])
@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "hssl-adamw"])
def test_every_parameter_teacher_centre_and_moment_is_that_of_one_rank(trained, name, by):
    found = differences(arrays(trained / by / name), arrays(trained / "one" / name))
    # At most 5.1e-6 was seen where batch norms see more rows; another processor sums in another order.
    assert max(found.values()) < (1e-4 if name in OF_EIGHT_ROWS else 2e-5), max(found, key=found.get)


@pytest.mark.parametrize("count", ["two", "four", AS_GPUS])
@pytest.mark.parametrize("name", CONFIGS)
def test_all_parameters_together_are_those_of_one_rank(trained, name, count):
    def parameters(by: str) -> np.ndarray:
        named = sorted(arrays(trained / by / name).items())
        networks = [(name, each) for name, each in named if name.startswith(("student/", "teacher/"))]
        return np.concatenate([without_key_bias(name, each).ravel() for name, each in networks])

    assert relative_error(parameters(count), parameters("one")) < 1e-5


# Some numbers are of the last microbatch; those of "hssl" are other ones for two ranks than for one.
@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "hssl"])
def test_the_log_is_that_of_one_rank(trained, name):
    one, two = (read_metrics(trained / by / name / "metrics.jsonl") for by in ("one", "two"))
    assert [line["step"] for line in two] == list(range(1, NUM_STEPS + 1))
    for expected, found in zip(one, two, strict=True):
        assert found.keys() == expected.keys()
        for key in expected.keys() - {*TIMES}:
            assert found[key] == pytest.approx(expected[key], rel=1e-4, abs=1e-6), key


def test_two_runs_are_equal_to_the_bit(trained):
    expected, found = (arrays(trained / by / "hssl-adamw") for by in ("two", "again"))
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_resumed_run_is_equal_to_the_bit(trained):
    expected, found = arrays(trained / "two" / "hssl"), arrays(trained / "two-two" / "hssl")
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("by", ["one-two", "four-two", "two-one"])
def test_another_number_of_ranks_goes_on_from_a_checkpoint(trained, by):
    found = differences(arrays(trained / by / "hssl"), arrays(trained / "one" / "hssl"))
    assert max(found.values()) < 1e-5, max(found, key=found.get)
