"""What the readers of numbers have to know of the data section."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """One data set's; see the keys of `DataConfig`."""

    num_channels: int
    channel_axis: str | None  # "first", "last"; None: as file and shape say
    window_of_header: bool  # `data.window` "header"
    no_data_is_kept: bool  # `data.no_data` "kept"
    max_pixels: int
    frame: str | None = None  # "first", "middle": of DICOM files with several; None: such a file is refused

    @property
    def max_values(self) -> int:
        """Numbers of the largest image."""
        return self.max_pixels * self.num_channels
