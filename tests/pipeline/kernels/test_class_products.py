import numpy as np
import pytest

from pipeline.doctor.answers.references import class_products


@pytest.mark.parametrize(
    ("places", "channels", "classes"), [(1, 1, [0]), (9, 33, [5, 0, 2, 0]), (49, 64, [1] * 20)]
)
def test_values_and_slopes(kernels, check, jt, rng, places, channels, classes):
    chosen = np.array(classes, np.int32)
    arrays = [rng.normal(size=shape) for shape in ((len(classes), places, channels), (6, channels), (6,))]
    check(
        lambda *given: kernels.class_products(*given, jt.array(chosen)),
        class_products(chosen),
        arrays,
        tolerance=1e-5,
    )


def test_sums_do_not_depend_on_the_number_of_threads(jt, rng):
    from pipeline import kernels
    from pipeline.runtime.start_jittor import start

    if kernels.current() != "fused":
        pytest.skip("no fused kernels here")
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in ((30, 50, 48), (3, 48), (3,))]
    classes, found = rng.integers(0, 3, 30).astype(np.int32), []
    for threads in (1, 2):
        start("cpu", threads)
        given = [jt.array(array) for array in arrays]
        y = kernels.class_products(*given, jt.array(classes))
        found.append([y.numpy().copy(), *(g.numpy().copy() for g in jt.grad((y * y).sum(), given))])
    start("cpu")
    for one, two in zip(*found, strict=True):
        assert np.array_equal(one, two)


def test_a_class_that_does_not_exist(jt):
    from pipeline import kernels

    if kernels.current() != "fused":
        pytest.skip("the plain twin's message is another one")
    with pytest.raises(RuntimeError, match="class 2 of 2"):
        kernels.class_products(
            jt.ones((1, 3, 4)), jt.ones((2, 4)), jt.ones(2), jt.array(np.array([2], np.int32))
        ).sync()


def test_what_does_not_fit(kernels, jt):
    classes = jt.array(np.zeros(2, np.int32))
    for shapes in (
        ((2, 3), (5, 4), (5,)),
        ((2, 3, 4), (5, 3), (5,)),
        ((2, 3, 4), (5, 4), (4,)),
        ((3, 3, 4), (5, 4), (5,)),
    ):
        with pytest.raises(ValueError, match="class_products: "):
            kernels.class_products(*map(jt.ones, shapes), classes)
