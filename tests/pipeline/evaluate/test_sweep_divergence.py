"""Where every rate of a sweep diverged, the step, the images and the tensor are named."""

import numpy as np
import pytest

from pipeline.evaluate.linear_probe import train_sweep
from pipeline.evaluate.probes.settings import LinearConfig
from pipeline.evaluate.sweep_divergence import divergence

CONFIG = LinearConfig(epochs=2, base_lrs=(1e2, 1e1), batch_size=4)


def problem(bad_row, value):
    rng = np.random.default_rng(3)
    features, labels = rng.standard_normal((12, 5)).astype(np.float32), np.arange(12) % 3
    features[bad_row] = value
    return {"features": features, "labels": labels, "config": CONFIG, "num_classes": 3}


def test_the_first_batch_with_a_feature_that_is_no_number():
    given = problem(bad_row=7, value=np.nan)
    assert train_sweep(**given, rng=np.random.default_rng(20)).diverged.all()
    rng = np.random.default_rng(20)
    rng.normal(size=(5, 3))  # the first weights
    order = rng.permutation(12)
    step = int(np.flatnonzero(order == 7)[0]) // 4
    rows = ", ".join(str(100 + row) for row in order[4 * step : 4 * step + 4])
    index = np.arange(100, 112)
    message = divergence(**given, index=index, rng=np.random.default_rng(20))
    assert f"at the smallest, 10, in step {step + 1}: 18 of 18 values of weights are not finite" in message
    assert f"after the images in rows {rows} of the data set; lower linear.base_lrs" in message


def test_of_many_images_some_are_named():
    given = problem(bad_row=0, value=np.inf)
    given["config"] = CONFIG.model_copy(update={"batch_size": 12})
    message = divergence(**given, index=np.arange(12), rng=np.random.default_rng(20))
    assert " and 4 more of the data set" in message


def test_what_is_finite_the_second_time_is_the_machines_fault():
    message = divergence(**problem(bad_row=0, value=0.5), index=np.arange(12), rng=np.random.default_rng(20))
    assert "doit run doctor deep=yes" in message


@pytest.mark.parametrize("several", [False, True])
def test_the_probe_says_it(several):
    from types import SimpleNamespace

    from pipeline.evaluate.probes.linear import trained_sweep

    given = problem(bad_row=7, value=np.nan)
    labels = np.eye(3, dtype=np.int8)[given["labels"]] if several else given["labels"]
    train = SimpleNamespace(labels=labels, index=np.arange(12))
    data = SimpleNamespace(train=train, class_names=["a", "b", "c"])
    with pytest.raises(FloatingPointError, match=r"in step .* after the images in rows"):
        trained_sweep(CONFIG, data, given["features"])
