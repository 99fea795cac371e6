"""Memory of this process, as the kernel counts it."""

from contextlib import suppress
from pathlib import Path


def resident_mib(field: str = "VmRSS") -> float:
    """MiB that are held now; with "VmHWM" the most that were ever held.

    Raises:
        OSError: the kernel does not say.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


def forget_peak() -> None:
    """Count "VmHWM" from what is held now; where the kernel refuses, the old peak stays."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
