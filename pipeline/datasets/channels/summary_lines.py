"""Lines about a data set with channels, for the user."""

from pipeline.config.data import DataConfig
from pipeline.datasets.channels.limits import WINDOW
from pipeline.datasets.channels.pictures import picture_words, shown_channels
from pipeline.datasets.channels.reading import Limits

_VIEWS = (
    "views: cropped, flipped and blurred; colour is left alone, but for brightness and contrast where "
    "crops.jitter_probability asks for them"
)


def channel_lines(config: DataConfig, limits: Limits | None) -> list[str]:
    """One line each on the numbers, on views and tasks, and on pictures."""
    return [
        f"channels: {config.channels}, as float32, not rounded; each is normalised by its mean and deviation "
        f"over the training images{_window_words(config, limits)}",
        f"{_VIEWS}; segmentation and detection read RGB of 8 bits only",
        picture_words(shown_channels(config.channels, config.picture_channels)),
    ]


def _window_words(config: DataConfig, limits: Limits | None) -> str:
    if config.window == "header":
        return "; values are cut by the window of each file, which becomes 0 to 1"
    if limits is None:
        return ""
    pairs = ", ".join(f"{low:g} to {high:g}" for low, high in zip(*limits, strict=True))
    by = f" ({WINDOW[0]:g} and {WINDOW[1]:g} percentile)" if config.window == "percentile" else ""
    return f"; values are cut to {pairs}{by}"
