"""Number formats of stored tensors, including those that NumPy lacks."""

import numpy as np

_NUMPY_TYPES = {
    **{f"float{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    **{f"int{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"complex{bits}": np.dtype(f"<c{bits // 8}") for bits in (64, 128)},
}
# Formats that NumPy lacks: bits of exponent and mantissa, and the exponent's bias.
_SMALL_FLOATS = {"float8_e4m3fn": (4, 3, 7), "float8_e5m2": (5, 2, 15)}
_BYTES = {name: kind.itemsize for name, kind in _NUMPY_TYPES.items()} | {"bool": 1, "bfloat16": 2}
_BYTES |= dict.fromkeys(_SMALL_FLOATS, 1)


def bytes_of_one(number_format: str) -> int | None:
    """Bytes per number of a format, by PyTorch's name; None if the format is not supported."""
    return _BYTES.get(number_format)


def decoded(stored: np.ndarray, number_format: str) -> np.ndarray:
    """The numbers that bytes (n,) uint8 encode; float32 for formats that NumPy lacks."""
    if number_format == "bfloat16":  # the upper half of a float32
        return (stored.view("<u2").astype(np.uint32) << 16).view(np.float32)
    if number_format in _SMALL_FLOATS:
        return _float8_values(*_SMALL_FLOATS[number_format], finite="fn" in number_format)[stored]
    if number_format == "bool":
        return stored != 0
    return stored.view(_NUMPY_TYPES[number_format])


def _float8_values(exponent_bits: int, mantissa_bits: int, bias: int, *, finite: bool) -> np.ndarray:
    """The number that each of the 256 bytes encodes, float32.

    Args:
        finite: the format has no infinities; of the largest exponent, only the all-ones mantissa is NaN.

    Source: Micikevicius et al. 2022, FP8 Formats for Deep Learning, table 1.
    """
    byte = np.arange(256)
    mantissa = (byte & (2**mantissa_bits - 1)) / 2**mantissa_bits
    exponent = byte >> mantissa_bits & (2**exponent_bits - 1)
    values = np.where(exponent > 0, (1 + mantissa) * 2.0 ** (exponent - bias), mantissa * 2.0 ** (1 - bias))
    top = exponent == 2**exponent_bits - 1
    if finite:
        values[top & (byte & (2**mantissa_bits - 1) == 2**mantissa_bits - 1)] = np.nan
    else:
        values[top] = np.where(mantissa[top] > 0, np.nan, np.inf)
    return np.where(byte >> 7, -values, values).astype(np.float32)
