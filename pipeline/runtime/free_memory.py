"""Memory that was freed, but that the C library has not given back to the system."""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from functools import cache


def give_back_free_memory() -> None:
    """Give it back; where the C library is not glibc, do nothing.

    glibc keeps what is freed below memory in use. Room for a large product, once freed, is cut up by small
    arrays that stay, and the next product gets new room: more pages are held than were ever in use together.
    """
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    with suppress(OSError, AttributeError):
        return ctypes.CDLL(None).malloc_trim
    return lambda padding: None
