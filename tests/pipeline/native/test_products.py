"""Products of bfloat16: what oneDNN compiled for each kind is kept, up to a number."""

import numpy as np
import pytest

from tests.pipeline.kernels.test_precision import rounded, rounding  # noqa: F401


@pytest.fixture
def multiplied(rounding, jt):  # noqa: F811
    """multiplied(rows (R, I), weight (O, I)): their product (R, O)."""
    return lambda rows, weight: rounding.linear(jt.array(rows), jt.array(weight), None).numpy()


def test_more_kinds_of_products_than_are_kept(multiplied, rng):
    weight = rng.normal(size=(5, 24)).astype(np.float32)
    numbers = [*range(1, 301), *range(1, 301, 50)]  # of rows; the first ones again at the end
    for number in numbers:
        rows = rng.normal(size=(number, 24)).astype(np.float32)
        expected = rounded(rows) @ rounded(weight).T
        assert np.abs(multiplied(rows, weight) - expected).max() < 3e-6 * np.abs(expected).max()
