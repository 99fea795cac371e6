"""Records the images that are left out of a prepared data set, with reasons."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipeline.storage.files import replacing

_REASONS_SHOWN = 5


class Quarantine:
    """Writes all of them to a file, and keeps the first few reasons in memory."""

    def __init__(self, stream: TextIO) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow(("path", "reason"))
        self.num_bad = 0
        self.first: list[str] = []  # path and reason of the first images

    def add(self, path: str, reason: str) -> None:
        """Record an image that is left out."""
        self._writer.writerow((path, reason))
        self.num_bad += 1
        if len(self.first) < _REASONS_SHOWN:
            self.first.append(f"{path}: {reason}")

    def described(self) -> str:
        """The first reasons, each on a new line."""
        more = self.num_bad - len(self.first)
        return "".join(f"\n  {reason}" for reason in self.first) + (f"\n  and {more} more" if more else "")


@contextmanager
def quarantine_file(path: Path) -> Iterator[Quarantine]:
    """Write quarantine.csv: path and reason of every image added."""
    with (
        replacing(path) as partial,
        open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as stream,
    ):
        yield Quarantine(stream)
