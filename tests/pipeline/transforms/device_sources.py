"""The device's augmentation for tests: on a GPU, or its sources built for the processor."""

import ctypes

import pytest

from pipeline.transforms.rendering import implementation


def load_on_device(jt):
    """pipeline.transforms.on_device with its kernels loaded; skips where nothing can be compiled."""
    if implementation() != "native":
        pytest.skip("no C++ compiler here")
    from pipeline.kernels import library
    from pipeline.transforms import on_device

    library.load()  # first, so that the processor's functions of the same names stay in force
    if not jt.flags.use_cuda:
        from tests.cuda_on_host.build import build_on_host

        ctypes.CDLL(str(build_on_host()), mode=ctypes.RTLD_GLOBAL)
    return on_device
