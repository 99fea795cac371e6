"""The numbers of one image as stored in a file, and their conversion to (H, W, C) float32."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.datasets.decode import UndecodableImage

_NUMBERS = "biuf"  # kinds of NumPy's types: truth values, integers, floats


@dataclass(frozen=True)
class Stored:
    """What a reader returns: the values, and which axis holds the channels."""

    values: np.ndarray  # (H, W), or three axes
    # "unknown": the file does not say which of three axes holds the channels.
    channel_axis: Literal["first", "last", "unknown"] = "unknown"


def placed(stored: Stored, num_channels: int, stated_axis: str | None) -> np.ndarray:
    """(H, W, C) float32 in C order.

    If neither the file nor `stated_axis` says it, the channels are the only one of first and last axis that
    has the right length.

    Raises:
        UndecodableImage: not plain numbers, another number of channels, or both axes could be the channels.
    """
    values = stored.values
    if values.dtype.kind not in _NUMBERS:
        raise UndecodableImage(f"expected numbers, found {values.dtype}")
    if values.ndim == 2:
        values, axis = values[:, :, None], "last"
    elif values.ndim == 3:
        axis = _axis(stored, num_channels, stated_axis)
    else:
        raise UndecodableImage(f"expected rows, columns and channels, found the shape {values.shape}")
    found = values.shape[0 if axis == "first" else 2]
    if found != num_channels:
        raise UndecodableImage(f"expected {num_channels} channels (data.channels), found {found}")
    if 0 in values.shape:
        raise UndecodableImage(f"no pixels: shape {values.shape}")
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        return np.ascontiguousarray(np.moveaxis(values, 0, 2) if axis == "first" else values, np.float32)


def refuse_not_finite(pixels: np.ndarray) -> None:
    """Refuse an image with values that are NaN or infinite.

    Raises:
        UndecodableImage: states their number.
    """
    if not_finite := int(pixels.size - np.isfinite(pixels).sum()):
        raise UndecodableImage(f"{not_finite} of {pixels.size} values are NaN or infinite")


def _axis(stored: Stored, num_channels: int, stated_axis: str | None) -> str:
    if stored.channel_axis != "unknown":
        return stored.channel_axis
    if stated_axis is not None:
        return stated_axis
    first, _, last = stored.values.shape
    if first == last == num_channels:
        raise UndecodableImage(
            f"{num_channels} channels could be first or last in the shape {stored.values.shape}: "
            "state data.channel_axis"
        )
    return "first" if first == num_channels else "last"
