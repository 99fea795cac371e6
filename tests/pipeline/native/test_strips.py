"""Products by strips beside products in float64, on vectors of every length."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from pipeline.native import build
from tests.pipeline.evaluate.test_neighbours import INSTRUCTIONS

FOLDER = Path(build.__file__).parent
HEADERS = [FOLDER / name for name in ("rounding.h", "strips.h", "tiles.h", "transposition.h")]
_CALLED = """
#include "strips.h"
extern "C" void multiply(int transposed, long rows, long columns, long inner, const float* a, const float* b,
                         float* c, int add) {
    hssl::multiply_strips(transposed, rows, columns, inner, a, b, c, add);
}
extern "C" int pays(int transposed, long rows, long columns, long inner) {
    return hssl::strips_pay(transposed, rows, columns, inner);
}
"""
# rows, columns, inner: remainders of every part, and sums in one part, two and three.
SIZES = [(1, 16, 1), (6, 32, 8), (25, 48, 13), (29, 80, 385), (40, 96, 64), (11, 112, 800), (9, 16, 384)]


@pytest.fixture(scope="module", params=INSTRUCTIONS, ids=" ".join)
def functions(request, tmp_path_factory):
    """The library's functions, compiled with some instructions left out."""
    called = tmp_path_factory.mktemp("strips") / "called.cpp"
    called.write_text(_CALLED)
    # Symbolic: its functions are not to be those of the kernels, which have the same names and are loaded.
    flags = (f"-I{FOLDER}", "-Wl,-Bsymbolic", *request.param)
    try:
        path = build.build_library("strips_test", [FOLDER / "strips.cpp", called], flags, HEADERS)
    except build.BuildError as error:
        pytest.skip(str(error))
    return ctypes.CDLL(str(path))


def pointer(array):
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize(("rows", "columns", "inner"), SIZES)
def test_products(functions, rng, rows, columns, inner, add, transposed):
    a, b = (rng.normal(size=size).astype(np.float32) for size in ((rows, inner), (inner, columns)))
    # A row more on either side, which has to stay as it is.
    room = rng.normal(size=(rows + 2, columns)).astype(np.float32)
    expected = room.astype(np.float64)
    expected[1:-1] = a.astype(np.float64) @ b + (expected[1:-1] if add else 0)
    given = np.ascontiguousarray(b.T) if transposed else b
    sizes = [ctypes.c_long(size) for size in (rows, columns, inner)]
    functions.multiply(transposed, *sizes, pointer(a), pointer(given), pointer(room[1:]), add)
    assert np.array_equal(room[[0, -1]], expected[[0, -1]].astype(np.float32))
    assert np.abs(room - expected).max() < 3e-6 * np.abs(expected).max() + 1e-6


def test_where_they_pay(functions, request):
    def pays(transposed, *sizes):
        return bool(functions.pays(transposed, *map(ctypes.c_long, sizes)))

    if not request.node.callspec.params["functions"]:
        pytest.skip("this processor's vectors may be longer")
    assert pays(True, 256, 192, 192)
    assert pays(False, 256, 384, 96)
    assert not pays(False, 256, 96, 384)
    assert not pays(True, 256, 190, 192)
    assert not pays(True, 3, 192, 192)
    assert not pays(True, 2048, 192, 192)  # too many rows to be read again for each strip
