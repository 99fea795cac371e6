"""Which files the device library is made of."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def device_sources() -> list[Path]:
    """All that is compiled, in the order of names."""
    return sorted(FOLDER.glob("*.cu"))


def device_headers() -> list[Path]:
    """All that is included, in the order of names."""
    return sorted([*FOLDER.glob("*.cuh"), *FOLDER.glob("*.h")])
