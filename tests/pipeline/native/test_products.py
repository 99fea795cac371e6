"""Products of bfloat16 with a oneDNN that lacks the function which no header of it declares."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from pipeline.native import build
from pipeline.runtime.onednn import onednn_paths
from pipeline.runtime.processor import multiplies_bfloat16

FOLDER = Path(build.__file__).parent
UNDECLARED = "dnnl_gemm_bf16bf16f32"
SIZES = [(1, 1, 1), (7, 17, 13), (64, 48, 70), (197, 96, 33)]  # rows, outputs, inputs


@pytest.fixture(scope="module")
def layers():
    """The linear layer's functions; the undeclared one has a name that nobody exports."""
    found = onednn_paths()
    if found is None or not multiplies_bfloat16():
        pytest.skip("no oneDNN, or no instructions for bfloat16 here")
    include, shared = found
    # Its own functions, not those of the same name in the library that is loaded for all.
    flags = ["-O1", "-fopenmp", "-Wl,-Bsymbolic", f"-I{include}", str(shared), f"-Wl,-rpath,{shared.parent}"]
    missing = f"{UNDECLARED}_of_no_version"
    headers = sorted(FOLDER.glob("*.h"))
    sources = [FOLDER / "linear.cpp", FOLDER / "products.cpp"]
    path = build.build_library("products", sources, (*flags, f"-D{UNDECLARED}={missing}"), headers)
    names = path.read_bytes()
    assert missing.encode() in names
    assert f"\0{UNDECLARED}\0".encode() not in names
    library = ctypes.CDLL(str(path))
    library.hssl_round_factors(1)
    return library


def rounded(x):
    """To 8 significant bits, ties to even, in float64."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.round(mantissa * 256) / 256, exponent)


@pytest.mark.parametrize("size", SIZES)
def test_products_are_right_without_the_undeclared_function(layers, rng, size):
    rows, outputs, inputs = size
    x, weight, slope = (
        rng.normal(size=shape).astype(np.float32)
        for shape in ((rows, inputs), (outputs, inputs), (rows, outputs))
    )
    products = {
        "linear": ((x, weight, None), rounded(x) @ rounded(weight).T),
        "linear_input_gradient": ((slope, weight), rounded(slope) @ rounded(weight)),
        "linear_weight_gradient": ((slope, x), rounded(slope).T @ rounded(x)),
    }
    for name, (factors, expected) in products.items():
        found = np.full(expected.shape, np.nan, np.float32)
        after = [None] if name == "linear_weight_gradient" else []  # no gradient of a bias
        arguments = [None if a is None else a.ctypes.data_as(ctypes.c_void_p) for a in (*factors, found)]
        function = getattr(layers, f"hssl_{name}")
        function(*map(ctypes.c_long, (rows, outputs, inputs)), *arguments, *after)
        assert np.abs(found - expected).max() < 3e-6 * np.abs(expected).max()
