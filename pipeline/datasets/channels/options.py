"""Options of the readers of images with channels, from the data section."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The options of one data set; see the keys of `DataConfig`."""

    num_channels: int
    channel_axis: str | None  # "first", "last"; None: from the file and the shape
    window_of_header: bool  # `data.window` "header"
    no_data_is_kept: bool  # `data.no_data` "kept"
    max_pixels: int
    frame: str | None = None  # "first", "middle": of DICOM files with several; None: such a file is refused

    @property
    def max_values(self) -> int:
        """Number of values in the largest image."""
        return self.max_pixels * self.num_channels
