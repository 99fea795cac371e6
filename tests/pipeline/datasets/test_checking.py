import hashlib
import multiprocessing
import os
import signal

import numpy as np
import pytest

from pipeline.datasets.checking import channel_statistics, check_all
from pipeline.datasets.image_folder import ImageFolder


def checked(source, **options):
    return list(
        check_all(source, **{"max_pixels": 10**6, "keep_pixels": lambda: True, "num_workers": 1} | options)
    )


def test_sums_are_exact(rng):
    pixels = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    wide = pixels.astype(object)
    expected = (*wide.sum(axis=(0, 1)), *(wide**2).sum(axis=(0, 1)))
    num_levels = max(len(np.unique(channel)) for channel in np.moveaxis(pixels, 2, 0))
    assert channel_statistics(pixels) == (expected, num_levels)


@pytest.mark.parametrize("shape", [(1, 1), (600, 3), (2, 400_000)])
def test_sums_do_not_overflow(shape):
    height, width = shape
    white = np.full((*shape, 3), 255, np.uint8)
    white[0, 0] = (1, 2, 3)
    count = height * width - 1
    expected = [255 * count + value for value in (1, 2, 3)] + [65025 * count + v * v for v in (1, 2, 3)]
    assert channel_statistics(white)[0] == tuple(expected)


def test_every_number_of_workers_gives_the_same(tmp_path, png, monkeypatch):
    for i in range(300):
        (tmp_path / f"{i:03d}.png").write_bytes(png(i) if i % 50 else b"broken")
    source = ImageFolder(tmp_path, max_bytes=10**6)
    alone, parallel = checked(source), checked(source, num_workers=2)
    assert alone == parallel
    assert [e.path for e, c in alone if c.reason] == [f"{i:03d}.png" for i in range(0, 300, 50)]
    assert alone[7][1].digest == hashlib.sha256(png(7)).digest()
    assert len(alone[7][1].pixels) == 3 * 5 * 4


class DeadlySource(ImageFolder):
    """Kills the worker that reads the image 123."""

    def __reduce__(self):
        return _deadly, (self._root,)

    def read(self, path, start, size):
        if path.startswith("123"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(path, start, size)


def _deadly(root):
    return DeadlySource(root, max_bytes=10**6)


def test_a_killed_worker_is_a_clear_error(tmp_path, png):
    for i in range(300):
        (tmp_path / f"{i:03d}.png").write_bytes(png(i))
    before = set(multiprocessing.active_children())  # Jittor keeps a pool of its own, where a test started it
    with pytest.raises(RuntimeError, match="a worker process died"):
        checked(_deadly(tmp_path), num_workers=2)
    assert set(multiprocessing.active_children()) <= before
