"""Preparing a folder of JPEG files: listed, read, decoded, digested, split; nothing is stored."""

import os
import struct
import time
from pathlib import Path

from benchmarks.photographs import write_photographs
from pipeline.config.data import DataConfig
from pipeline.datasets.preparing import prepare

_PHOTOGRAPHS = 120
_CLASSES = 100


class Preparing:
    """A repeat returns the seconds of preparing; `report`, what this process and its workers worked for that.

    Args:
        parameters: `images`, files, each with a comment of its own, so that none is there twice; `workers`.
    """

    def __init__(self, parameters: dict, folder: Path):
        (folder / "photographs").mkdir()
        photographs = [path.read_bytes() for path in write_photographs(folder / "photographs", _PHOTOGRAPHS)]
        for number in range(parameters["images"]):
            path = folder / "images" / f"class-{number % _CLASSES:03d}" / f"{number:07d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_with_comment(photographs[number % _PHOTOGRAPHS], str(number).encode()))
        self.folder, self.workers = folder, parameters.get("workers", 2)
        self.check: dict[str, float] = {}
        self.repeats, self.worked = 0, 0.0

    def repeat(self) -> float:
        """Seconds by the clock."""
        output = self.folder / f"prepared-{self.repeats}"
        output.mkdir()
        self.repeats += 1
        started, before = time.perf_counter(), os.times()
        config = DataConfig(source=str(self.folder / "images"), max_store_gib=0)
        prepare(config, output, num_workers=self.workers)
        # User and system, of this process and its children.
        self.worked = sum(os.times()[:4]) - sum(before[:4])
        return time.perf_counter() - started

    def report(self) -> dict[str, float]:
        """Of the last repeat."""
        return {"processor_seconds_with_workers": round(self.worked, 2)}


def _with_comment(jpeg: bytes, comment: bytes) -> bytes:
    """The same image, its file another: a comment stands behind the first marker."""
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment + jpeg[2:]
