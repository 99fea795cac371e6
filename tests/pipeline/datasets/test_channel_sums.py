import platform

import numpy as np
import pytest

from pipeline.datasets import channel_sums as module
from pipeline.datasets.channel_sums import channel_sums, channel_sums_by_numpy
from pipeline.native.build import BuildError, build_library


@pytest.mark.parametrize("sums", [channel_sums, channel_sums_by_numpy])
@pytest.mark.parametrize("shape", [(7, 9), (1, 1), (1, 16), (4, 4), (3, 4113), (37, 500)])
def test_sums_are_exact(rng, sums, shape):
    pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    wide = pixels.astype(object)
    assert sums(pixels) == (*wide.sum(axis=(0, 1)), *(wide**2).sum(axis=(0, 1)))


@pytest.mark.parametrize("sums", [channel_sums, channel_sums_by_numpy])
@pytest.mark.parametrize("shape", [(1, 1), (600, 3), (2, 400_000)])
def test_sums_do_not_overflow(sums, shape):
    height, width = shape
    white = np.full((*shape, 3), 255, np.uint8)
    white[0, 0] = (1, 2, 3)
    count = height * width - 1
    expected = [255 * count + value for value in (1, 2, 3)] + [65025 * count + v * v for v in (1, 2, 3)]
    assert sums(white) == tuple(expected)


def test_other_strides_are_read_right(rng):
    pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)[::-1, ::2]
    assert channel_sums(pixels) == channel_sums_by_numpy(np.ascontiguousarray(pixels))


def test_without_a_compiler_numpy_does_it(rng, monkeypatch):
    def fails(*args):
        raise BuildError("no C++ compiler found")

    pixels = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    expected = channel_sums(pixels)
    monkeypatch.setattr(module, "build_library", fails)
    module._function.cache_clear()
    assert module._function() is None
    assert channel_sums(pixels) == expected
    module._function.cache_clear()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names a processor of x86")
def test_processors_without_products_of_bytes_give_the_same_sums(rng, monkeypatch):
    """The other half of the source, as it is compiled for such a processor."""
    pixels = rng.integers(0, 256, (300, 301, 3), dtype=np.uint8)
    expected = channel_sums_by_numpy(pixels)
    monkeypatch.setattr(
        module,
        "build_library",
        lambda name, sources: build_library(f"{name}_plain", sources, ("-march=x86-64",)),
    )
    module._function.cache_clear()
    try:
        assert module._function() is not None
        assert channel_sums(pixels) == expected
    finally:
        module._function.cache_clear()
