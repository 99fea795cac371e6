"""Reads the counts of the counting libraries, in the process that has loaded them."""

import ctypes
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Counts:
    """Counts since the start of the process, in the order of counts.h."""

    launches: int
    products: int
    float32_products: int
    tf32_products: int
    uploads: int
    uploaded_bytes: int
    downloads: int
    downloaded_bytes: int
    waits: int
    allocations: int
    live_bytes: int
    peak_bytes: int
    pinned_bytes: int

    def since(self, before: "Counts") -> "Counts":
        """What was added; of live, peak and pinned bytes, how they grew."""
        names = [field.name for field in fields(self)]
        return Counts(*(getattr(self, name) - getattr(before, name) for name in names))


_NUM_COUNTS = len(Counts.__dataclass_fields__)


def read_counts(library: Path) -> Counts:
    """Read the counts of the libraries that this process has loaded."""
    found = (ctypes.c_long * _NUM_COUNTS)()
    ctypes.CDLL(str(library)).counting_read(found)
    return Counts(*found)
