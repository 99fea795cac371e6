import numpy as np
import pytest

from pipeline.evaluate.neighbour_tiles.library import Library, library
from pipeline.evaluate.neighbour_tiles.tile import Block, Tile


def compiled(bfloat16):
    if bfloat16 and not library().bfloat16:
        pytest.skip("needs a processor that multiplies bfloat16, and oneDNN")
    return Library(bfloat16=bfloat16)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-5])
@pytest.mark.parametrize("channels", [3, 384, 1000])
def test_estimates_are_within_their_bound(bfloat16, spread, channels):
    """Against float64, for features on one side of the centre so that nothing cancels."""
    functions, rng = compiled(bfloat16), np.random.default_rng(0)
    middle = rng.uniform(0.5, 1, channels)
    queries, rows = (
        (middle + spread * np.abs(rng.standard_normal((n, channels)))).astype(np.float32) for n in (40, 300)
    )
    units = [each / np.linalg.norm(each.astype(float), axis=1)[:, None] for each in (queries, rows)]
    centre = units[1].mean(axis=0).astype(np.float32)
    tile, block = Tile(queries, centre, 5, functions), Block(rows, np.arange(300), centre, functions)
    products = np.empty((40, 300), np.float32)
    functions.multiply(tile._packed.factors, block.factors, products)
    estimates = products.astype(float) + block.offsets + tile.shifts[:, None]
    missed = np.abs(estimates - units[0] @ units[1].T)
    assert (missed <= tile.errors(block)[:, None]).all()
    assert missed.max() > 1e-4 * tile.errors(block).max()  # the bound is not so wide that it says nothing


@pytest.mark.parametrize("bfloat16", [False, True])
def test_rows_are_scaled_and_rounded_to_nearest(bfloat16):
    functions = compiled(bfloat16)
    rows = np.array([[3, 4, 0], [0, 0, 0], [-2, 0, 0]], np.float32)
    block = Block(rows, np.arange(3), np.zeros(3, np.float32), functions)
    np.testing.assert_array_equal(block.norms, [5, 0, 2])
    # 0.6 and 0.8 lie between bfloat16 numbers 2^-8 and less apart.
    step = 2.0**-8 if bfloat16 else 2.0**-24
    stored = np.array([[0.6, 0.8, 0], [0, 0, 0], [-1, 0, 0]])
    found = (
        block.factors.view(np.float32)
        if not bfloat16
        else (block.factors.astype(np.uint32) << 16).view(np.float32)
    )
    np.testing.assert_array_equal(found, np.round(stored / step) * step)
    np.testing.assert_allclose(block.rest, np.linalg.norm(stored - found, axis=1), atol=1e-15)
