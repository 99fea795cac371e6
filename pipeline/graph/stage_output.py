"""Shows the output of stages, each line and bar with the stage's name, because several may run at once."""

import os
import re
import sys
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Protocol

from pipeline.graph.printable import printable

_BREAKS = re.compile(rb"(\n|\r)")
_UP, _TO_THE_END = b"\x1b[A", b"\x1b[J"  # of the screen


class StageOutput(Protocol):
    """Shows what the stages of one run print; thread-safe."""

    def of(self, name: str) -> Callable[[bytes], None]:
        """The function that shows one stage's output."""

    def end(self, name: str) -> None:
        """Mark the stage as over; an unfinished line of it is completed."""

    def line(self, text: str) -> None:
        """Show a line, or several, of the run itself."""


def output_here() -> StageOutput:
    """Output to standard output, a terminal or not."""
    if os.isatty(1):
        return TerminalOutput(_write, lambda: os.get_terminal_size(1).columns)
    return FileOutput(_write)


def _write(shown: bytes) -> None:
    sys.__stdout__.flush()  # what was printed before comes first
    os.write(1, shown)


class FileOutput:
    """Output that cannot take lines back: an unfinished line ends where it is when another stage prints."""

    def __init__(self, write: Callable[[bytes], object]):
        self._write = write
        self._lock = Lock()
        self._writer: str | None = None  # stage with an unfinished line
        self._at_start = True  # of a line, or of a bar's state

    def of(self, name: str) -> Callable[[bytes], None]:
        return partial(self._show, name)

    def end(self, name: str) -> None:
        with self._lock:
            if self._writer == name:
                self._write(self._ended())

    def line(self, text: str) -> None:
        with self._lock:
            self._write(self._ended() + f"{printable(text)}\n".encode())

    def _show(self, name: str, chunk: bytes) -> None:
        with self._lock:
            shown = [self._ended() if self._writer not in (None, name) else b""]
            for piece in filter(None, _BREAKS.split(chunk)):
                is_break = piece in b"\r\n"
                if self._at_start and not is_break:
                    shown.append(prefix(name))
                shown.append(piece)
                self._at_start = is_break
            self._writer = None if chunk.endswith(b"\n") else name
            self._write(b"".join(shown))

    def _ended(self) -> bytes:
        unfinished, self._writer, self._at_start = self._writer, None, True
        return b"\n" if unfinished else b""


class TerminalOutput:
    """Shows the unfinished line of each stage, a progress bar, below all finished lines.

    Args:
        columns: returns the terminal's width; a bar is cut to it.
    """

    def __init__(self, write: Callable[[bytes], object], columns: Callable[[], int]):
        self._write, self._columns = write, columns
        self._lock = Lock()
        self._unfinished: dict[str, bytes] = {}  # by stage, the last state of its line
        self._num_shown = 0  # unfinished lines on the screen

    def of(self, name: str) -> Callable[[bytes], None]:
        return partial(self._show, name)

    def end(self, name: str) -> None:
        if _last_state(self._unfinished.get(name, b"")):
            self._show(name, b"\n")

    def line(self, text: str) -> None:
        with self._lock:
            self._draw(f"{printable(text)}\n".encode())

    def _show(self, name: str, chunk: bytes) -> None:
        with self._lock:
            *lines, rest = (self._unfinished.pop(name, b"") + chunk).split(b"\n")
            if _last_state(rest):
                # Only the last of a bar's thousands of states, which may continue in the next chunk.
                self._unfinished[name] = rest[rest.rstrip(b"\r").rfind(b"\r") + 1 :]
            self._draw(b"".join(prefix(name) + _last_state(line) + b"\n" for line in lines))

    def _draw(self, finished: bytes) -> None:
        """Remove the bars, show the lines, and the bars again, in one write so that nothing flickers."""
        wipe = b"\r" + _UP * (self._num_shown - 1) + _TO_THE_END if self._num_shown else b""
        room = max(1, self._columns() - 1) if self._unfinished else 0  # with a full line, some terminals wrap
        bars = [
            (prefix(name) + _last_state(rest)).decode(errors="replace")[:room].encode()
            for name, rest in self._unfinished.items()
        ]
        self._num_shown = len(bars)
        self._write(wipe + finished + b"\n".join(bars))


def prefix(name: str) -> bytes:
    """The text before each line of a stage."""
    return f"{name}: ".encode()


def _last_state(line: bytes) -> bytes:
    """The part of a line that a terminal shows after it was redrawn several times."""
    state = next((state for state in reversed(line.split(b"\r")) if state), b"")
    return state if state.strip() else b""  # a bar that is removed is overwritten by spaces
