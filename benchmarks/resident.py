"""Memory of this process, as Linux reports it."""

from contextlib import suppress
from pathlib import Path


def resident_mib(field: str = "VmRSS") -> float:
    """Resident memory in MiB; with "VmHWM" its peak.

    Raises:
        OSError: Linux does not report it.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


def reset_peak() -> None:
    """Reset "VmHWM" to the current memory; if Linux refuses, the old peak is kept."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
