"""Makes text from files safe to print on a terminal."""

import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from pipeline.storage.files import without_partial

_KEPT = "\n\t\u200c\u200d"  # the last two join letters, as in Persian
# Control characters, which a terminal executes, and those that change the direction of writing.
_CATEGORIES = ("Cc", "Cf", "Zl", "Zp")


def printable(text: str) -> str:
    r"""The text with escapes, like \x1b, for what a terminal would execute; line ends and tabs stay.

    Refusals and tables contain names from data sets, which may contain sequences that move the cursor or set
    a title.
    """
    return "".join(each.encode("unicode_escape").decode() if _is_obeyed(each) else each for each in text)


class PrintableStream:
    """Writes printable text to a stream; everything else is the stream's own.

    Args:
        stream: of text. Progress bars, which move the cursor, use another one.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def printable_output() -> Iterator[None]:
    """Make everything printable that is printed to standard output meanwhile."""
    with redirect_stdout(PrintableStream(sys.stdout)):
        yield


def error_text(error: object) -> str:
    """The printable message of an error or a sentence; an error of the system as "FILE: what is wrong"."""
    if isinstance(error, OSError) and error.strerror:
        named = [str(name) for name in (error.filename, error.filename2) if name is not None]
        named = list(dict.fromkeys(map(without_partial, named)))
        return printable(": ".join([*([" -> ".join(named)] if named else []), error.strerror]))
    return printable(str(error))


def print_refusal(error: object) -> None:
    """Print an error or a sentence to standard error, made printable."""
    print(error_text(error), file=sys.stderr)


def _is_obeyed(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character) in _CATEGORIES
