"""Returns freed memory to the system.

The C library raises the sizes from which it does so with the arrays that a program frees, up to 64 MiB. What
drawing the weights and compiling the first step have taken would then stay in the process, beside the tensors
of every step.
"""

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc
_BYTES = 1 << 20


def return_freed_memory() -> None:
    """Let freed blocks of a MiB or more go back to the system at once; no effect with other C libraries."""
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _BYTES)
        mallopt(_TRIM_THRESHOLD, _BYTES)
