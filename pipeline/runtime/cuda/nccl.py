"""Finds NCCL, by which ranks on GPUs exchange: the library that the user names, a wheel's, the system's."""

import ctypes
import os
from pathlib import Path

from pipeline.runtime.cuda.toolkits import wheel_roots

NAMED = "HSSL_NCCL"  # environment variable: path of the library to use
REMEDY = "pip install -e '.[nccl]' (CUDA 12: pip install nvidia-nccl-cu12; Debian, Ubuntu: NVIDIA's libnccl2)"
_FILE = "libnccl.so.2"
# The sums of NVLink's switches have no fixed order (NVIDIA/nccl, issue 1497); rings and trees do.
_FIXED_ORDER = {"NCCL_NVLS_ENABLE": "0"}


class NcclMissing(RuntimeError):
    """There is no NCCL that can be loaded; the message says what was tried."""


def load_nccl() -> ctypes.CDLL:
    """Load NCCL, set up so that every run adds in the same order; the user's own variables are kept.

    Raises:
        NcclMissing: there is none, or it cannot be loaded.
    """
    for name, value in _FIXED_ORDER.items():
        os.environ.setdefault(name, value)
    path = nccl_path()
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        reason = f"{path} cannot be loaded ({error})" if os.path.isabs(path) else f"found no {_FILE}"
        raise NcclMissing(f"{reason}; {REMEDY}") from error


def nccl_path() -> str:
    """Path of the library; its bare name if only the system's linker may know it."""
    if named := os.environ.get(NAMED):
        return str(Path(named).absolute())
    wheels = [root / "nccl" / "lib" / _FILE for root in wheel_roots()]
    return next((str(path) for path in wheels if path.is_file()), _FILE)


def nccl_version(library: ctypes.CDLL) -> tuple[int, int, int]:
    """Version of a loaded library, such as (2, 28, 3)."""
    number = ctypes.c_int(0)
    library.ncclGetVersion(ctypes.byref(number))
    major, rest = divmod(number.value, 10_000)
    return major, *divmod(rest, 100)
