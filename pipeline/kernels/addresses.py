"""Addresses of variables' values, for calls that change them in place."""

import ctypes
from typing import Any

import jittor as jt
import numpy as np

from pipeline.kernels import selection


def addresses(variables: list[jt.Var]) -> tuple[np.ndarray, Any]:
    """Addresses (uint64) of the values, which are computed first; on a device if they are there.

    Returns:
        The addresses, and an object that must be kept alive while they are in use.
    """
    if selection.on_device():
        return device_addresses(variables), variables
    arrays = [variable.data for variable in variables]
    return np.array([array.__array_interface__["data"][0] for array in arrays], dtype=np.uint64), arrays


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """The address of an array's first value, for a native call; the array must outlive the call."""
    return ctypes.c_void_p(array.__array_interface__["data"][0])


def device_addresses(variables: list[jt.Var]) -> np.ndarray:
    """Addresses (uint64) on the device of the values, which are computed first; keep the variables alive.

    By an operator that takes all of them, since `raw_ptr` in Python would move a variable to the host.
    """
    found = np.zeros(len(variables), dtype=np.uint64)
    names = ", ".join(f"in{i}_p" for i in range(len(variables)))
    source = (
        f"const void* places[] = {{{names}}};"
        'std::memcpy(reinterpret_cast<void*>(static_cast<long>(data["to"])), places, sizeof places);'
    )
    # An address has 47 bits, and a number in `data` has 53.
    data = {"to": found.__array_interface__["data"][0]}
    where = "cuda" if jt.flags.use_cuda else "cpu"
    code = {f"{where}_header": "#include <cstring>", f"{where}_src": source}
    jt.code((1,), "float32", variables, data=data, **code).sync()
    return found
