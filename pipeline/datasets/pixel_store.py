"""Stores decoded images in pixels.bin of a prepared folder, if they fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.storage.files import replacing


class PixelStore:
    """Writes decoded images one after another to a file, which is deleted once they exceed a limit."""

    def __init__(self, path: Path, max_bytes: float) -> None:
        self._stream = open(path, "wb")  # noqa: SIM115 - closed by close()
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self.is_kept = max_bytes > 0

    def add(self, pixels: bytes) -> None:
        """Append an image."""
        self._num_bytes += len(pixels)
        if self._num_bytes > self._max_bytes:
            self.is_kept = False
            self._stream.truncate(0)
        else:
            self._stream.write(pixels)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


@contextmanager
def pixels_file(target: Path, max_bytes: float) -> Iterator[PixelStore]:
    """Write `target`, unless the images exceed `max_bytes`."""
    with replacing(target) as partial:
        store = PixelStore(partial, max_bytes)
        try:
            yield store
        finally:
            store.close()
    if not store.is_kept:
        target.unlink()
