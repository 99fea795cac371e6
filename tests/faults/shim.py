"""Makes the n-th write of a run fail, by a small library loaded before the C library."""

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("failing_calls.c")
KINDS = ("error", "kill", "full", "torn")
CALLS = {
    "w": "write", "s": "sync", "r": "rename", "m": "mkdir", "u": "unlink", "l": "symlink", "t": "truncate",
}  # fmt: skip
_MOST = 65536  # as in the source


class Shim:
    """The compiled library, and the counter shared by all processes of a run.

    Args:
        folder: for both.
        watched: folder whose files count.

    Attributes:
        library: file to load before the C library.
    """

    def __init__(self, folder: Path, watched: Path):
        self.library, self._counter = folder / "failing_calls.so", folder / "counter"
        self._watched = watched
        if not self.library.is_file():
            command = [compiler(), "-shared", "-fPIC", "-O1", "-o", str(self.library), str(SOURCE), "-ldl"]
            subprocess.run(command, check=True)

    def environment(self, kind: str = "none", at: int = 0, *, set_back_seconds: int = 0) -> dict[str, str]:
        """Variables for a run whose call number `at` fails; the count starts again at 0.

        Args:
            set_back_seconds: by how much its clock is set back.
        """
        self._counter.write_bytes(bytes(8 + _MOST))
        return {
            "LD_PRELOAD": str(self.library),
            "FAULT_FOLDER": str(self._watched.resolve()),
            "FAULT_COUNTER": str(self._counter),
            "FAULT_KIND": kind,
            "FAULT_AT": str(at),
            "FAULT_CLOCK": str(set_back_seconds),
        }

    def calls(self) -> str:
        """A letter of `CALLS` for each call since the last `environment`, in order."""
        content = self._counter.read_bytes()
        (count,) = struct.unpack_from("q", content)
        return content[9 : 9 + count].decode()


def compiler() -> str | None:
    """The system's C compiler; None if there is none."""
    return shutil.which("cc") or shutil.which("gcc")
