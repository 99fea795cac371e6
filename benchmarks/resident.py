"""Memory of this process, as Linux reports it."""

from contextlib import suppress
from pathlib import Path

from pipeline.runtime.free_memory import give_back_free_memory


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
    """Reset "VmHWM" to the memory in use; if Linux refuses, the old peak is kept.

    What was freed goes back to the system first, else it would count in the new peak.
    """
    give_back_free_memory()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
