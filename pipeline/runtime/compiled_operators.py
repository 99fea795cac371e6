"""Removes operator libraries that a killed run left half-written, so that Jittor compiles them again.

Jittor writes a library in place, and takes any library that exists for a complete one: a truncated file would
end every later run that needs the operator.
"""

import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_LINKING_SECONDS = 10.0  # a library that did not grow for so long is not being written any more
_MARK = "operators-checked"
_HEADER_BYTES = 64


def remove_torn_operators(folder: Path, say: Callable[[str], None]) -> None:
    """Remove the truncated libraries in Jittor's home `folder`, and say how many.

    Only libraries that changed since the last call are checked. One that another process may still be
    writing is waited for.
    """
    started = time.time()
    mark = folder / _MARK
    since = mark.stat().st_mtime - 1 if mark.is_file() else 0.0
    torn = [path for path in _libraries(folder, since) if _stays_torn(path)]
    for path in torn:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.key").unlink(missing_ok=True)
    if torn:
        say(f"{len(torn)} compiled operator(s) of a run that was killed were half-written: compiled again")
    mark.touch()
    os.utime(mark, (started, started))


def is_torn(path: Path) -> bool:
    """Whether a library is shorter than its own header says; one in another format counts as complete."""
    with open(path, "rb") as stream:
        header = stream.read(_HEADER_BYTES)
        size = stream.seek(0, os.SEEK_END)
    if len(header) < _HEADER_BYTES:
        return True
    if header[:5] != b"\x7fELF\x02":
        return not header.strip(b"\0")
    # The section table comes last in the file; the linker writes its offset when it is done.
    (start,) = struct.unpack_from("<Q", header, 40)
    entry_size, num_entries = struct.unpack_from("<HH", header, 58)
    return start == 0 or size < start + entry_size * num_entries


def _libraries(folder: Path, since: float) -> Iterator[Path]:
    for operators in folder.glob(".cache/jittor/jt*/**/jit"):
        with os.scandir(operators) as entries:
            for entry in entries:
                if entry.name.endswith(".so") and entry.stat().st_mtime >= since:
                    yield Path(entry.path)


def _stays_torn(path: Path) -> bool:
    while True:
        try:
            if not is_torn(path):
                return False
            age = time.time() - path.stat().st_mtime
        except FileNotFoundError:  # its process removed it
            return False
        if age >= _LINKING_SECONDS:
            return True
        time.sleep(min(0.5, _LINKING_SECONDS - age))
