"""An alternate stack for signal handlers (sigaltstack).

oneDNN's matrix products, as Jittor calls them, keep other data where the stack pointer points. A handler that
runs there overwrites memory that is not its own, and the process crashes later ("corrupted size vs.
prev_size") or computes on with wrong values. Python's handlers use an alternate stack if there is one.
"""

import ctypes
import mmap
import os

_BYTES = 2**18  # far more than Python's handler and any processor's saved registers need
_DISABLED = 2  # SS_DISABLE


class _Stack(ctypes.Structure):
    """Linux's stack_t."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


_memory: mmap.mmap | None = None  # kept for the life of the process


def install_signal_stack() -> None:
    """Give this thread an alternate signal stack; an existing one is kept.

    Raises:
        OSError: the system refuses it.
    """
    global _memory
    libc, found = ctypes.CDLL(None, use_errno=True), _Stack()
    _checked(libc.sigaltstack(None, ctypes.byref(found)))
    if not found.flags & _DISABLED:
        return
    _memory = _memory or mmap.mmap(-1, _BYTES)
    address = ctypes.addressof(ctypes.c_char.from_buffer(_memory))
    _checked(libc.sigaltstack(ctypes.byref(_Stack(address, 0, _BYTES)), None))


def _checked(code: int) -> None:
    if code:
        number = ctypes.get_errno()
        raise OSError(number, f"sigaltstack: {os.strerror(number)}")
