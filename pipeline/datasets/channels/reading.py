"""Reads an image with channels: chooses the reader by the file's name, gives (H, W, C) float32."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from pipeline.config.data import DataConfig
from pipeline.datasets.channels.dicom import read_dicom
from pipeline.datasets.channels.npy import read_npy
from pipeline.datasets.channels.options import Options
from pipeline.datasets.channels.png import read_png
from pipeline.datasets.channels.stored import Stored, placed, refuse_not_finite
from pipeline.datasets.channels.tiff import read_tiff
from pipeline.datasets.decode import UndecodableImage

# Suffix -> reader. A new reader is a file and a line here.
READERS: dict[str, Callable[[bytes, Options], Stored]] = {
    ".npy": read_npy,
    ".tif": read_tiff,
    ".tiff": read_tiff,
    ".dcm": read_dicom,
    ".dicom": read_dicom,
    ".png": read_png,
}
_BYTES_OF_A_VALUE = 8  # at most

Limits = tuple[tuple[float, ...], tuple[float, ...]]  # lowest and highest value of each channel


def has_reader(name: str) -> bool:
    """Whether a file of this name counts as an image with channels (suffix in any case)."""
    return PurePosixPath(name).suffix.lower() in READERS


@dataclass(frozen=True)
class ChannelReading:
    """How the images of one data set are read.

    Args:
        limits: values outside are clipped; None: no clipping.
    """

    options: Options
    limits: Limits | None = None

    @classmethod
    def of(cls, config: DataConfig) -> "ChannelReading | None":
        """From a data section; None if its images are 8-bit RGB.

        A window by percentiles has no limits yet: they are computed from the images, see `with_limits`.
        """
        if config.channels is None:
            return None
        options = Options(
            num_channels=config.channels,
            channel_axis=config.channel_axis,
            window_of_header=config.window == "header",
            no_data_is_kept=config.no_data == "kept",
            max_pixels=config.max_pixels,
            frame=config.frame,
        )
        if not isinstance(config.window, tuple):
            return cls(options)
        low, high = config.window
        return cls(options, ((low,) * config.channels, (high,) * config.channels))

    @classmethod
    def from_summary(cls, summary: dict[str, Any]) -> "ChannelReading | None":
        """From what `to_summary` returned."""
        found = summary.get("channels")
        if found is None:
            return None
        limits = found["limits"]
        return cls(Options(**found["options"]), limits and (tuple(limits[0]), tuple(limits[1])))

    def to_summary(self) -> dict[str, Any]:
        """All fields as JSON values."""
        limits = self.limits and [list(each) for each in self.limits]
        return {"options": asdict(self.options), "limits": limits}

    @property
    def max_bytes(self) -> int:
        """No image within the limit of pixels has a larger file."""
        return _BYTES_OF_A_VALUE * self.options.max_values + 2**24

    def pixels(self, path: str, content: bytes | np.ndarray) -> np.ndarray:
        """(H, W, C) float32 of one image.

        Args:
            path: its suffix chooses the reader.
            content: a file's bytes, or one image of an array data set.

        Raises:
            UndecodableImage: the message is the reason, without the file's name.
        """
        if not isinstance(content, bytes):
            self._refuse_header()
            return self._finished(Stored(content))
        if not content:
            raise UndecodableImage("empty file")
        suffix = PurePosixPath(path).suffix.lower()
        if suffix not in READERS:
            raise UndecodableImage(f"expected {', '.join(READERS)} (data.channels), found {suffix or path}")
        if READERS[suffix] is not read_dicom:
            self._refuse_header()
        return self._finished(READERS[suffix](content, self.options))

    def with_limits(self, low: np.ndarray, high: np.ndarray) -> "ChannelReading":
        """A copy with the limits (C,) of a data set."""
        return replace(self, limits=(tuple(low.tolist()), tuple(high.tolist())))

    def _refuse_header(self) -> None:
        if self.options.window_of_header:
            raise UndecodableImage('data.window "header" is of DICOM files')

    def _finished(self, stored: Stored) -> np.ndarray:
        options = self.options
        pixels = placed(stored, options.num_channels, options.channel_axis)
        if pixels.size > options.max_values:
            raise UndecodableImage(
                f"{pixels.shape[1]} x {pixels.shape[0]} pixels, more than max_pixels = {options.max_pixels}"
            )
        refuse_not_finite(pixels)
        if self.limits is None:
            return pixels
        low, high = (np.array(each, np.float32) for each in self.limits)
        return np.clip(pixels, low, high)
