"""Reads NumPy's .npy files, one image per file."""

import io
from tokenize import TokenError

import numpy as np

from pipeline.datasets.channels.options import Options
from pipeline.datasets.channels.stored import Stored
from pipeline.datasets.decode import UndecodableImage

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npy(data: bytes, options: Options) -> Stored:
    """The array of a file; see `plain_array`."""
    return Stored(plain_array(data))


def plain_array(data: bytes) -> np.ndarray:
    """The array of a file, as a view of its bytes; nothing is unpickled.

    Raises:
        UndecodableImage: damaged, truncated, or not plain numbers.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise UndecodableImage(f"expected an array of plain numbers, found version {version} of .npy")
        shape, is_fortran, dtype = _HEADERS[version](stream)
    except UndecodableImage:
        raise
    except (ValueError, TypeError, SyntaxError, LookupError, OverflowError, TokenError) as error:
        raise UndecodableImage(f"no .npy file, or a damaged one: {error}") from error
    if dtype.hasobject:
        raise UndecodableImage("expected numbers, found Python objects")
    start = stream.tell()
    expected, found = int(np.prod(shape, dtype=object)) * dtype.itemsize, len(data) - start
    if expected != found:
        raise UndecodableImage(f"expected {expected} bytes for the shape {shape}, found {found}")
    values = np.frombuffer(data, dtype, offset=start)
    return values.reshape(shape, order="F" if is_fortran else "C")
