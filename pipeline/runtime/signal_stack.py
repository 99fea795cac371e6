"""A stack for signal handlers, apart from that of the code which a signal interrupts.

oneDNN's matrix products, as Jittor calls them, keep other things where the processor takes the stack to be.
A handler that runs on top of them writes into memory that is not its own, and the process ends later in
"corrupted size vs. prev_size", or computes on. Python's handlers take another stack where there is one.
"""

import ctypes
import mmap
import os

_BYTES = 2**18  # far more than Python's handler takes, with any processor's registers
_DISABLED = 2  # SS_DISABLE


class _Stack(ctypes.Structure):
    """Linux's stack_t."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


_memory: mmap.mmap | None = None  # as long as this process


def give_handlers_a_stack() -> None:
    """Let this thread's signal handlers run on a stack of their own; one that is there already stays.

    Raises:
        OSError: the system gives none.
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
