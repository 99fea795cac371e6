"""Names of devices: "auto", "cpu", "cuda" or "cuda:N"."""

import re

_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


def check_device(device: str) -> str:
    """Return the device's name if it is valid.

    Raises:
        ValueError: it is not.
    """
    if not _DEVICE.fullmatch(device):
        raise ValueError(
            f"device must be 'auto', 'cpu', 'cuda' or 'cuda:N' with the index N of a card, got {device!r}"
        )
    return device
