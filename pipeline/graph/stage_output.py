"""What stages print, each line and each state of a bar with the stage's name: several may run at once."""

import re
from collections.abc import Callable
from functools import partial
from threading import Lock

_BREAKS = re.compile(rb"(\n|\r)")


class StageOutput:
    """Writes what the stages of one run print; may be called from several threads.

    Args:
        write: to standard output.
        terminal: whether that is one; there an unfinished line of another stage, a bar, is wiped out, and
            comes back when it moves. In a file it ends where it is.
    """

    def __init__(self, write: Callable[[bytes], object], *, terminal: bool):
        self._write, self._wipe = write, b"\r\x1b[K" if terminal else b"\n"
        self._lock = Lock()
        self._writer: str | None = None  # whose line is unfinished
        self._at_start = True  # of a line, or of a bar's state

    def of(self, name: str) -> Callable[[bytes], None]:
        """What shows the output of one stage."""
        return partial(self._show, name)

    def _show(self, name: str, chunk: bytes) -> None:
        with self._lock:
            shown = []
            if self._writer not in (None, name):
                shown.append(self._wipe)
                self._at_start = True
            for piece in filter(None, _BREAKS.split(chunk)):
                is_break = piece in b"\r\n"
                if self._at_start and not is_break:
                    shown.append(prefix(name))
                shown.append(piece)
                self._at_start = is_break
            self._writer = None if chunk.endswith(b"\n") else name
            self._write(b"".join(shown))


def prefix(name: str) -> bytes:
    """What stands before each line of a stage."""
    return f"{name}: ".encode()
