"""The device's augmentation for tests: on a GPU, or its sources built for the processor."""

import pytest

from pipeline.transforms.rendering import implementation
from tests.cuda_on_host.loading import host_library


def load_on_device(jt):
    """pipeline.transforms.on_device with its kernels loaded; skips where nothing can be compiled."""
    if implementation() != "native":
        pytest.skip("no C++ compiler here")
    from pipeline.kernels import library
    from pipeline.transforms import on_device

    library.load() if jt.flags.use_cuda else host_library()
    return on_device
