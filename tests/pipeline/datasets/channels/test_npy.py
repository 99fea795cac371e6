import io

import numpy as np
import pytest

from pipeline.datasets.channels.npy import read_npy
from pipeline.datasets.decode import UndecodableImage


def npy(values, **options) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, **options)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">i2", "float16", "float32", "float64", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_writes_comes_back(bands, options, dtype, order):
    values = np.array(bands.astype(dtype), order=order)
    stored = read_npy(npy(values), options())
    assert np.array_equal(stored.values, values)
    assert stored.channel_axis == "unknown"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x93NUMPY", "no .npy file"),
        (b"P5 1 1 255 x", "no .npy file"),
        (npy(np.zeros((4, 4)))[:-1], r"expected 128 bytes for the shape \(4, 4\), found 127"),
        (npy(np.array([{}]), allow_pickle=True), "found Python objects"),
    ],
)
def test_damaged_files_and_objects_are_refused(options, content, message):
    with pytest.raises(UndecodableImage, match=message):
        read_npy(content, options())


def test_a_shape_that_the_file_does_not_hold_allocates_nothing(options):
    header = npy(np.zeros((4, 4))).replace(b"(4, 4), }         ", b"(40000, 4000000) }")
    with pytest.raises(UndecodableImage, match="expected 1280000000000 bytes"):
        read_npy(header, options())


def test_a_header_whose_brackets_do_not_close_is_refused(options):
    """NumPy lets out an error of Python's tokenizer, which is none of the usual ones; found by properties."""
    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 2), np.uint8))
    damaged = stream.getvalue().replace(b"{", b" ", 1)
    with pytest.raises(UndecodableImage, match="damaged"):
        read_npy(damaged, options())
