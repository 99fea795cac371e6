"""Images of any folder or file, without labels, decoded like those of the experiment."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import open_source
from pipeline.datasets.channels.reading import ChannelReading, has_reader
from pipeline.datasets.decode import UndecodableImage, decode, rgb_from_array
from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.listing import listing_digest
from pipeline.datasets.source import Entry, Source, max_file_bytes
from pipeline.datasets.tree import walk
from pipeline.storage.files import read_json


class EveryImage:
    """Every image file below a folder, whatever the folders' names; hidden ones are skipped."""

    access = "random"
    annotation = "class"
    class_names = None
    num_outside = 0
    notes = ()

    def __init__(
        self, root: Path, *, max_bytes: int, is_image: Callable[[str], bool] = is_image_name
    ) -> None:
        self._root, self._is_image = root, is_image
        self.read = ImageFolder(root, max_bytes=max_bytes).read

    @cached_property
    def _listing(self) -> tuple[int, str]:
        num_images, hasher = 0, hashlib.sha256()
        for folder, _, files in walk(self._root):
            hasher.update(b"%b\0" % os.fsencode(folder))
            for file in files:
                if self._is_image(file.name):
                    num_images += 1
                    hasher.update(b"%b\0%b\0" % (os.fsencode(file.name), _facts(file).encode()))
        return num_images, hasher.hexdigest()

    def __len__(self) -> int:
        return self._listing[0]

    @property
    def digest(self) -> str:
        """Digest of path, size and modification time of every image, and of no other file."""
        return self._listing[1]

    def entries(self) -> Iterator[Entry]:
        """Every image in the order of `path_order`, with one folder in memory at a time."""
        for folder, _, files in walk(self._root):
            for file in files:
                if self._is_image(file.name):
                    yield Entry(f"{folder}/{file.name}" if folder else file.name)


def _facts(file: os.DirEntry) -> str:
    try:
        status = file.stat()
    except OSError:
        return "unreadable"
    return f"{status.st_size} {status.st_mtime_ns}"


def open_images(data: str, max_pixels: int, channels: ChannelReading | None = None) -> Source:
    """Open all images of a folder; for a file, or a folder without image files, use the readers of `prepare`.

    Args:
        data: like `data.source`, in any format.
        channels: how images with channels are read; None: they are 8-bit RGB.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it has no image, is in no known format, or damaged.
    """
    if Path(data).is_dir():
        kind = (
            {"max_bytes": max_file_bytes(max_pixels)}
            if channels is None
            else {"max_bytes": channels.max_bytes, "is_image": has_reader}
        )
        folder = EveryImage(Path(data), **kind)
        if len(folder):
            return folder
    num_channels = None if channels is None else channels.options.num_channels
    _, source = open_source(DataConfig(source=data, max_pixels=max_pixels, channels=num_channels))
    if len(source) == 0:
        raise ValueError(f"data={data}: no images found")
    return source


def images_digest(source: Source, data: str, memo: Path) -> str:
    """Digest that shows whether `data` has the same images as before.

    Args:
        source: result of `open_images` for `data`.
        memo: see `listing_digest`.
    """
    return source.digest if isinstance(source, EveryImage) else listing_digest(DataConfig(source=data), memo)


@dataclass(frozen=True)
class Decoding:
    """How images are decoded to pixels."""

    max_pixels: int
    grey_range: tuple[float, float] | None  # of 16-bit grey
    # Whether JPEG files may be decoded at a reduced size, as in an experiment whose pixels are not stored.
    reduced: bool
    channels: ChannelReading | None = None  # for images with channels

    @classmethod
    def of_prepared(cls, prepared: Path) -> "Decoding":
        """The decoding of a prepared data set's experiment."""
        summary = read_json(prepared / "summary.json")
        grey_range = summary["grey_range"] and tuple(summary["grey_range"])
        channels = ChannelReading.from_summary(summary)
        return cls(summary["max_pixels"], grey_range, reduced=not summary["stored"], channels=channels)

    def pixels(self, source: Source, entry: Entry, at_least: int | None = None) -> np.ndarray:
        """(H, W, 3) uint8 or (H, W, C) float32.

        Args:
            at_least: sufficient length of the short side in pixels; None: the image's own size.

        Raises:
            UndecodableImage: the message is the reason.
        """
        if entry.problem is not None:
            raise UndecodableImage(entry.problem)
        try:
            content = (
                entry.data if entry.data is not None else source.read(entry.path, entry.start, entry.size)
            )
        except OSError as error:
            raise UndecodableImage(f"cannot be read: {error.strerror or error}") from error
        if self.channels is not None:
            return self.channels.pixels(entry.path, content)
        if not isinstance(content, bytes):
            return rgb_from_array(content)
        return decode(
            content,
            max_pixels=self.max_pixels,
            at_least=at_least if self.reduced else None,
            grey_range=self.grey_range,
        )
