"""Memory and disk space that a new process can use, with what limits them."""

import math
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

# By the controllers in a line of /proc/self/cgroup, version 2 or 1: limit, usage, prefix of sums.
_NAMES = {
    "": ("memory.max", "memory.current", ""),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
}
_LIMITS = {"RLIMIT_AS": "ulimit -v", "RLIMIT_DATA": "ulimit -d"}  # name -> how a shell sets it


@dataclass(frozen=True)
class Available:
    """Bytes, and what limits them."""

    bytes: int
    by: str


def available_memory(system: Path = Path("/")) -> Available | None:
    """The smallest of the machine's available memory, what the control groups leave, and this process's
    limits.

    Swap counts as memory, and so do pages of files, which the system can reclaim. None: unknown.

    Args:
        system: the root of /proc and /sys.
    """
    found = [_machine(system), *_groups(system), *_limits()]
    return min((each for each in found if each is not None), key=lambda each: each.bytes, default=None)


def available_disk(folder: Path) -> Available:
    """Space that a user may still write in a folder, which need not exist yet."""
    existing = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    return Available(shutil.disk_usage(existing).free, f"free at {existing}")


def address_space() -> float:
    """Largest number of bytes of addresses for a process, infinite without a limit.

    A process may raise its own limit up to this. Addresses are not memory: libraries reserve more than they
    use.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if hard == resource.RLIM_INFINITY else hard


def _machine(system: Path) -> Available | None:
    values = _table(system / "proc" / "meminfo", 1024)
    if "MemAvailable:" not in values:
        return None
    return Available(values["MemAvailable:"] + values.get("SwapFree:", 0), "available on this machine")


def _groups(system: Path) -> list[Available]:
    """What the control group of this process, and the groups around it, leave, in versions 1 and 2."""
    found = []
    for line in _lines(system / "proc" / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            inside = Path(path.lstrip("/"))
            names = _NAMES[controllers]
            root = system / "sys" / "fs" / "cgroup" / controllers
            found += [_group(root / folder, names, folder) for folder in (inside, *inside.parents)]
    return [each for each in found if each is not None]


def _group(directory: Path, names: tuple[str, str, str], folder: Path) -> Available | None:
    limit, used = (_number(directory / name) for name in names[:2])
    if limit is None or used is None:
        return None
    statistics = _table(directory / "memory.stat", 1)
    of_files = sum(statistics.get(f"{names[2]}{kind}_file", 0) for kind in ("active", "inactive"))
    return Available(max(0, limit - max(0, used - of_files)), f"left in the control group /{folder}")


def _limits() -> list[Available]:
    soft = {name: resource.getrlimit(getattr(resource, name))[0] for name in _LIMITS}
    return [
        Available(value, f"allowed by {name} ({_LIMITS[name]})")
        for name, value in soft.items()
        if value != resource.RLIM_INFINITY
    ]


def _table(path: Path, unit: int) -> dict[str, int]:
    rows = (line.split() for line in _lines(path))
    return {row[0]: int(row[1]) * unit for row in rows if len(row) > 1 and row[1].isdecimal()}


def _number(path: Path) -> int | None:
    """None if there is no such file, or it says "max"."""
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
