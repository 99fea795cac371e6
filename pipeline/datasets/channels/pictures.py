"""Pictures of images with channels: three channels, or one in grey, with one contrast for a data set."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.channels.limits import percentile_limits

STRETCH = (1.0, 99.0)  # percentiles that become black and white
LOOKED_AT = 64  # images, spaced evenly over the training part


def shown_channels(num_channels: int, stated: tuple[int, ...] | None) -> tuple[int, ...]:
    """The channels shown as red, green and blue, or the one shown in grey; counted from 0."""
    return stated or ((0, 1, 2) if num_channels >= 3 else (0,))


def picture_words(shown: tuple[int, ...]) -> str:
    """A sentence for the user on how pictures are made."""
    if len(shown) == 1:
        what = f"channel {shown[0]} in grey"
    else:
        what = f"channels {', '.join(map(str, shown))} as red, green and blue"
    low, high = STRETCH
    return (
        f"pictures show {what} (counted from 0), stretched between the percentiles {low:g} and "
        f"{high:g} of the training images"
    )


@dataclass(frozen=True, eq=False)
class Stretch:
    """The contrast of one data set's pictures."""

    shown: tuple[int, ...]  # three channels, or one
    low: np.ndarray  # (3 or 1,) float32: becomes black
    high: np.ndarray  # becomes white

    @classmethod
    def of(cls, shown: tuple[int, ...], images: Iterable[np.ndarray]) -> "Stretch":
        """Limits from the percentiles of some images, (H, W, C) float32 each."""
        low, high = percentile_limits((image[:, :, list(shown)] for image in images), STRETCH)
        return cls(shown, low, high)

    def picture(self, image: np.ndarray) -> np.ndarray:
        """(H, W, C) float32 -> (H, W, 3) uint8."""
        extent = np.where(self.high > self.low, self.high - self.low, 1)
        levels = np.clip((image[:, :, list(self.shown)] - self.low) / extent, 0, 1)
        return np.broadcast_to(np.rint(255 * levels), (*image.shape[:2], 3)).astype(np.uint8)
