"""Turns Jittor's notes on the operators that it compiles into one line with the time they took."""

import re
from collections.abc import Callable

_START = b"Compiling Operators("
_NOTE = re.compile(rb"Compiling Operators\((\d+)/(\d+)\) used: *([\d.e+]+)s eta: *[\d.e+]+s *")
_BREAKS = re.compile(rb"(\n|\r)")


class CompileNotes:
    """Passes on the output of a stage, which may arrive in arbitrary pieces.

    Args:
        write: writes what is shown.
        moving: whether every state of the note is shown, or only the last.
    """

    def __init__(self, write: Callable[[bytes], object], *, moving: bool):
        self._write, self._moving = write, moving
        self._held = b""  # the start of a line that may be a note
        self._at_start = True  # of a line, or of a bar's state
        self._note: re.Match[bytes] | None = None  # the last state of a note that has not ended

    def __call__(self, chunk: bytes) -> None:
        """Pass on a piece of output, except for what may still become a note."""
        *whole, rest = _BREAKS.split(self._held + chunk)
        self._held, shown = b"", []
        for text, end in zip(whole[::2], whole[1::2], strict=True):
            note = _NOTE.fullmatch(text) if self._at_start else None
            if note:
                self._note = note
                if self._moving and end == b"\r":
                    shown.append(b"compiling %b of %b operators\r" % note.group(1, 2))
            elif text or self._note is None:
                shown += [self._ended(), text, end]
            if end == b"\n":
                shown.append(self._ended())
            self._at_start = True
        if self._at_start and (_START.startswith(rest) or rest.startswith(_START)):
            self._held = rest
        else:
            shown += [self._ended(), rest]
            self._at_start = False
        self._pass_on(b"".join(shown))

    def close(self) -> None:
        """Pass on what was held back."""
        self._pass_on(self._ended() + self._held)
        self._held = b""

    def _pass_on(self, shown: bytes) -> None:
        if shown:
            self._write(shown)

    def _ended(self) -> bytes:
        """The line of a note that has ended; empty if there is none."""
        note, self._note = self._note, None
        if note is None:
            return b""
        done, total, seconds = note.groups()
        count = total if done == total else b"%b of %b" % (done, total)
        return b"compiled %b operators in %.1f s\n" % (count, float(seconds))
