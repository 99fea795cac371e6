import numpy as np
import pytest

from pipeline.doctor.answers.references import pixel_cross_entropy
from tests.cuda_on_host.loading import use_device_sources


@pytest.mark.parametrize(
    ("images", "classes", "height", "width"), [(1, 1, 1, 1), (2, 3, 5, 7), (3, 15, 16, 16), (2, 21, 9, 300)]
)
def test_loss_and_gradient(kernels, check, jt, rng, images, classes, height, width):
    labels = rng.integers(-1, classes, (images, height, width)).astype(np.int32)
    labels[0, 0, 0] = 0
    count = float(np.count_nonzero(labels >= 0))
    check(
        lambda logits: kernels.pixel_cross_entropy(logits, jt.array(labels), count),
        pixel_cross_entropy(labels, count),
        [3 * rng.normal(size=(images, classes, height, width))],
    )


def test_nothing_labelled(kernels, jt, rng):
    logits, labels = jt.array(rng.normal(size=(2, 3, 4, 5)).astype("f4")), jt.full((2, 4, 5), -1).int32()
    loss = kernels.pixel_cross_entropy(logits, labels, 1)
    assert loss.item() == 0
    assert not jt.grad(loss, logits).numpy().any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_logit_that_is_not_finite_makes_a_loss_that_is_not(kernels, jt, value):
    logits = np.zeros((1, 3, 2, 2), np.float32)
    logits[0, 1, 0, 0] = value
    loss = kernels.pixel_cross_entropy(jt.array(logits), jt.zeros((1, 2, 2)).int32(), 4)
    assert not np.isfinite(loss.item())


def test_the_same_for_any_number_of_threads(jt, rng):
    from pipeline import kernels
    from pipeline.runtime.start_jittor import start

    if kernels.current() != "fused":
        pytest.skip("no fused kernels here")
    logits = rng.normal(size=(3, 7, 33, 65)).astype(np.float32)
    labels = rng.integers(-1, 7, (3, 33, 65)).astype(np.int32)
    found = []
    for threads in (1, 2):
        start("cpu", threads)
        variable = jt.array(logits)
        loss = kernels.pixel_cross_entropy(variable, jt.array(labels), 1000)
        found.append((loss.item(), jt.grad(loss, variable).numpy().copy()))
    start("cpu")
    assert found[0][0] == found[1][0]
    assert np.array_equal(found[0][1], found[1][1])


def test_a_label_that_is_no_class(jt):
    from pipeline import kernels

    if kernels.current() != "fused" or jt.flags.use_cuda:
        pytest.skip("the plain twin cannot tell; for a device see below")
    with pytest.raises(RuntimeError, match="label 3 of 3 classes"):
        kernels.pixel_cross_entropy(jt.zeros((1, 3, 1, 1)), jt.array([[[3]]]).int32(), 1).sync()


def test_a_label_that_is_no_class_on_a_device(jt, monkeypatch):
    from pipeline import kernels

    if not jt.flags.use_cuda:
        use_device_sources(monkeypatch)
    logits, labels = jt.zeros((1, 3, 1, 2)), jt.array([[[3, 0]]]).int32()
    assert np.isnan(kernels.pixel_cross_entropy(logits, labels, 2).item())


def test_what_does_not_fit(kernels, jt):
    labels = jt.zeros((1, 4, 4)).int32()
    for logits, maps, count in (
        (jt.zeros((1, 3, 4, 5)), labels, 1),
        (jt.zeros((1, 3, 4, 4)), labels.float32(), 1),
        (jt.zeros((1, 3, 4, 4)), labels, 0),
    ):
        with pytest.raises(ValueError, match="pixel_cross_entropy: "):
            kernels.pixel_cross_entropy(logits, maps, count)
