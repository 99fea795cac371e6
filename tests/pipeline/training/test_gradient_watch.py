import numpy as np
import pytest


@pytest.fixture
def watching(jt):
    from pipeline.training import gradient_watch

    return gradient_watch


def test_the_step_is_one_of_the_third_to_the_twentieth_by_the_seed(watching):
    steps = {watching.GradientWatch(0, 1000, seed).step for seed in range(100)}
    assert steps == set(range(2, 20))
    assert {watching.GradientWatch(500, 1000, seed).step for seed in range(100)} == set(range(502, 520))


def test_a_short_training_has_one_too(watching):
    assert {watching.GradientWatch(0, 4, seed).step for seed in range(20)} == {2, 3}
    assert {watching.GradientWatch(0, 1, seed).step for seed in range(20)} == {0}
    assert {watching.GradientWatch(7, 9, seed).step for seed in range(20)} == {8}


def test_differences_are_shares_of_the_norm_but_not_of_one_that_is_all_rounding(watching):
    expected = {"a": np.array([3.0, 4.0]), "b": np.array([1e-9])}
    found = {"a": np.array([3.0, 4.5]), "b": np.array([2e-9])}
    differences = watching.relative_differences(found, expected)
    assert differences["a"] == pytest.approx(0.1)
    assert differences["b"] == pytest.approx(1e-9 / 5e-3)
    assert watching.relative_differences({"a": np.zeros(2)}, {"a": np.zeros(2)}) == {"a": 0}


def compared(jt, watching, gradient, plain, num_microbatches=1, num_images=None):
    """Compare the gradients of one tensor; returns in how many parts plain operators were asked."""
    asked = []

    def again(parts):
        asked.append(parts)
        return [jt.array(plain)]

    watch = watching.GradientWatch(0, 10, 0)
    watch.compare(
        {"weight": jt.array(gradient)}, again, num_microbatches=num_microbatches, num_images=num_images
    )
    return asked


def test_a_missing_share_stops_with_tensor_step_and_norms(jt, watching):
    from pipeline import kernels

    if kernels.current() != "fused":
        pytest.skip("plain operators are not compared with themselves")
    whole = np.array([3.0, 4.0], np.float32)
    assert compared(jt, watching, whole, whole) == [1]
    with pytest.raises(watching.GradientsDiffer) as caught:
        compared(jt, watching, np.float32(0.9) * whole, whole)
    assert str(caught.value).startswith(
        "step 3: the gradient of weight has norm 4.5, that of plain operators 5; they differ by 0.1 of it"
    )
    assert "runtime.watch_gradients = false" in str(caught.value)
    with pytest.raises(watching.GradientsDiffer, match="norm nan"):
        compared(jt, watching, np.float32([np.nan, 1]), whole)
    assert kernels.current() == "fused"


@pytest.mark.parametrize(
    ("num_microbatches", "num_images", "parts"),
    [(1, None, 1), (1, 64, 8), (2, 8, 2), (3, 96, 12), (1, 30, 2)],
)
def test_plain_operators_see_few_images_at_once(jt, watching, num_microbatches, num_images, parts):
    from pipeline import kernels

    if kernels.current() != "fused":
        pytest.skip("plain operators are not compared with themselves")
    whole = np.ones(3, np.float32)
    assert compared(jt, watching, whole, whole, num_microbatches, num_images) == [parts]


def test_plain_operators_are_not_compared_with_themselves(jt, watching):
    from pipeline import kernels

    kernels.use("plain")
    try:
        assert compared(jt, watching, np.ones(2, np.float32), np.zeros(2, np.float32)) == []
    finally:
        kernels.use("fused")
