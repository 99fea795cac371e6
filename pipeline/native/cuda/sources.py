"""The files of the device library."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def device_sources() -> list[Path]:
    """All compiled files, in the order of names."""
    return sorted(FOLDER.glob("*.cu"))


def device_headers() -> list[Path]:
    """All included files, in the order of names."""
    return sorted([*FOLDER.glob("*.cuh"), *FOLDER.glob("*.h")])
