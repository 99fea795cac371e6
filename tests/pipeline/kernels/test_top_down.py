import numpy as np
import pytest

from pipeline.doctor.answers.references import top_down


@pytest.mark.parametrize(
    ("batch", "channels", "sizes"),
    [
        (1, 1, [(1, 1)]),
        (2, 3, [(7, 10), (4, 5), (2, 3), (1, 2)]),
        (3, 17, [(2, 1), (1, 1), (1, 1)]),
        (4, 32, [(24, 24), (12, 12), (6, 6)]),  # enough for several threads
    ],
)
def test_values_and_slopes(kernels, check, rng, batch, channels, sizes):
    maps = [rng.normal(size=(batch, *size, channels)) for size in sizes]
    check(lambda *given: kernels.top_down(given), top_down, maps)


def test_by_hand(kernels, jt):
    """Every coarse position lies over four fine ones, the last row and column being cut off."""
    fine, coarse = jt.zeros((1, 3, 3, 1)), jt.array(np.array([1, 2, 3, 4], np.float32).reshape(1, 2, 2, 1))
    table = kernels.top_down([fine, coarse])
    assert table.numpy()[:, 0].tolist() == [1, 1, 2, 1, 1, 2, 3, 3, 4, 1, 2, 3, 4]
    assert jt.grad(table.sum(), coarse).numpy().ravel().tolist() == [5, 3, 3, 2]


def test_what_does_not_fit(kernels, jt):
    for coarser in ((1, 2, 3, 2), (1, 2, 2, 3), (2, 2, 2, 2)):
        with pytest.raises(ValueError, match="expected a map"):
            kernels.top_down([jt.ones((1, 4, 4, 2)), jt.ones(coarser)])
