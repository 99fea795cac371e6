"""Returns freed memory to the system.

The C library keeps what lies below something that is still in use. What drawing the weights has taken would
stay in the process, beside the tensors of every step.
"""

import contextlib
import ctypes


def return_freed_memory() -> None:
    """Return free pages of the C library's heap (malloc_trim); no effect where it has no such function."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
