"""Reads the images of a prepared data set: decoded ones from a file, or the source's files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.datasets.archive import Archive
from pipeline.datasets.channels.reading import ChannelReading
from pipeline.datasets.decode import UndecodableImage, decode
from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.mapped import mapped_bytes
from pipeline.datasets.source import max_file_bytes
from pipeline.datasets.tables.shard_files import ShardFiles
from pipeline.datasets.tables.shard_names import is_pattern
from pipeline.datasets.tables.table_files import TableFiles
from pipeline.storage.remote_paths import is_url, path_of


class StoredPixels:
    """Decoded images in one file, mapped once for all threads.

    Args:
        sizes: (N, 2) int32: width and height of each image, pixels.
        num_channels: of images with channels; None: they are 8-bit RGB.
    """

    def __init__(self, path: Path, sizes: np.ndarray, num_channels: int | None = None) -> None:
        self._sizes = sizes
        self._num_channels = 3 if num_channels is None else num_channels
        self._dtype = np.uint8 if num_channels is None else np.float32
        self._pixel_bytes = self._num_channels * np.dtype(self._dtype).itemsize
        self._ends = np.cumsum(self._pixel_bytes * sizes.astype(np.int64).prod(axis=1))
        self._pixels = mapped_bytes(path, int(self._ends[-1]))

    def contents(self, rows: list[int]) -> list[None]:
        """None for each image: nothing is read before decoding."""
        return [None] * len(rows)

    def decoded(self, rows: list[int], contents: list[None], at_least: int | None) -> list[np.ndarray]:
        """Views (H, W, 3) uint8 or (H, W, C) float32 into the file."""
        return [self._view(row) for row in rows]

    def _view(self, row: int) -> np.ndarray:
        width, height = self._sizes[row].tolist()
        end = int(self._ends[row])
        stored = self._pixels[end - self._pixel_bytes * width * height : end]
        return stored.view(self._dtype).reshape(height, width, self._num_channels)


class ImageFiles:
    """The files of the source, decoded when needed.

    Args:
        summary: of the prepared folder.
        sizes: (N, 2) int32: width and height in pixels, as when prepared.
        positions: (N, 2) int64: first byte and number of bytes of a member.
        path: of each image, relative to the source.
    """

    def __init__(
        self, summary: dict, sizes: np.ndarray, positions: np.ndarray, path: Callable[[int], str]
    ) -> None:
        source = summary["source"]
        self._location = path_of(source)
        if not is_url(source) and not self._location.exists() and not is_pattern(source):
            raise FileNotFoundError(
                f"{self._location}: the images that were prepared from here are needed again"
            )
        self._max_pixels = summary["max_pixels"]
        self._grey_range = tuple(summary["grey_range"]) if summary["grey_range"] else None
        self._is_annotated = summary["annotation"] != "class"
        self._channels = ChannelReading.from_summary(summary)
        max_bytes = self._channels.max_bytes if self._channels else max_file_bytes(self._max_pixels)
        self._source = _reopened(summary, self._location, max_bytes)
        self._sizes, self._positions, self._path = sizes, positions, path

    def contents(self, rows: list[int]) -> list[bytes]:
        """The bytes of some files.

        Raises:
            FileNotFoundError, ValueError: the source was changed; the message names the image.
        """
        places = [(self._path(row), *self._positions[row].tolist()) for row in rows]
        if isinstance(self._source, ShardFiles):
            try:
                return self._source.read_many(places)
            except (UndecodableImage, OSError):
                pass  # read one by one below, to name the image
        return [self._content(*place) for place in places]

    def decoded(self, rows: list[int], contents: list[bytes], at_least: int | None) -> list[np.ndarray]:
        """(H, W, 3) uint8 or (H, W, C) float32 each.

        Raises:
            ValueError: an image has changed since it was prepared; the message names it.
        """
        return [self._decoded(row, each, at_least) for row, each in zip(rows, contents, strict=True)]

    def _content(self, path: str, start: int, size: int) -> bytes:
        try:
            return self._source.read(path, start, size)
        except (UndecodableImage, OSError) as error:
            raise self._changed(path, error) from error

    def _decoded(self, row: int, content: bytes, at_least: int | None) -> np.ndarray:
        width, height = self._sizes[row].tolist()
        try:
            if self._channels is not None:
                image = self._channels.pixels(self._path(row), content)
            else:
                image = decode(
                    content,
                    max_pixels=self._max_pixels,
                    at_least=at_least,
                    annotated_size=(width, height) if self._is_annotated else None,
                    grey_range=self._grey_range,
                )
        except UndecodableImage as error:
            raise self._changed(self._path(row), error) from error
        if at_least is None and image.shape[:2] != (height, width):
            raise ValueError(
                f"{self._location}: {self._path(row)}: expected {width} x {height} pixels as when it was "
                f"prepared, found {image.shape[1]} x {image.shape[0]}"
            )
        return image

    def _changed(self, path: str, error: UndecodableImage | OSError) -> UndecodableImage | OSError:
        return type(error)(f"{self._location}: {path}: could be read when it was prepared, now: {error}")


def _reopened(
    summary: dict, location: Path, max_bytes: int
) -> Archive | ShardFiles | TableFiles | ImageFolder:
    """Opens the source's images again, without listing them."""
    match summary["format"]:
        case "archive":
            return Archive(location, max_bytes=max_bytes)
        case "webdataset":
            return ShardFiles(location, max_bytes=max_bytes)
        case "parquet" | "arrow":
            suffix = f".{summary['format']}"
            return TableFiles(location, suffix, max_bytes=max_bytes, stated=summary["columns"])
    # All other formats that are not always stored are folders of images, whatever is beside them.
    return ImageFolder(location.parent if location.is_file() else location, max_bytes=max_bytes)
