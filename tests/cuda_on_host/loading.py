"""Operators that call the device sources, built for the processor."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.native.cuda.sources import FOLDER
from tests.cuda_on_host.build import build_on_host


def host_library() -> ctypes.CDLL:
    """The device sources, built and loaded with global symbols, for the operators that Jittor compiles."""
    return ctypes.CDLL(str(build_on_host()), mode=ctypes.RTLD_GLOBAL)


def use_device_sources(monkeypatch) -> ctypes.CDLL:
    """Make operators call the device sources from now on; returns the library."""
    from pipeline.kernels import library

    handle = host_library()
    loaded = library.Library(handle, multiplies=True, on_device=True, header=FOLDER / "kernels.h")
    monkeypatch.setattr(library._State, "tried", True)
    monkeypatch.setattr(library._State, "library", loaded)
    monkeypatch.setattr(library._State, "problem", None)
    return handle


@contextmanager
def device_sources() -> Iterator[ctypes.CDLL]:
    """The same for a program, as on a card that multiplies bfloat16."""
    from pipeline.kernels import precision

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "architecture", lambda: (9, 0))
        yield use_device_sources(patch)
