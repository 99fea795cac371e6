"""Preparing a folder of JPEG files: listing, reading, decoding, digests and splits; no pixels are stored."""

import io
import os
import struct
import time
from pathlib import Path

from benchmarks.photographs import write_photographs
from benchmarks.resident import resident_mib
from pipeline.config.data import DataConfig
from pipeline.datasets.preparing import prepare

_PHOTOGRAPHS = 120
_CLASSES = 100


class Preparing:
    """A repeat returns the seconds of preparing; `report` returns the processor seconds, workers included.

    Args:
        parameters: `images`, number of files, each with a unique comment, so that there are no duplicates;
            `workers`; `side` in pixels: photographs are reduced to squares of it, so that millions fit on a
            disk.
    """

    def __init__(self, parameters: dict, folder: Path):
        (folder / "photographs").mkdir()
        photographs = [path.read_bytes() for path in write_photographs(folder / "photographs", _PHOTOGRAPHS)]
        if "side" in parameters:
            photographs = [_reduced(photograph, parameters["side"]) for photograph in photographs]
        for number in range(parameters["images"]):
            path = folder / "images" / f"class-{number % _CLASSES:03d}" / f"{number:07d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_with_comment(photographs[number % _PHOTOGRAPHS], str(number).encode()))
        self.folder, self.workers = folder, parameters.get("workers", 2)
        self.check: dict[str, float] = {}
        self.repeats, self.worked = 0, 0.0
        self.extra = {"start_mib": resident_mib()}

    def repeat(self) -> float:
        """Wall-clock seconds."""
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
        """Processor seconds of the last repeat."""
        return {"processor_seconds_with_workers": round(self.worked, 2)}


def _reduced(jpeg: bytes, side: int) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as image, io.BytesIO() as out:
        image.resize((side, side)).save(out, "jpeg", quality=90)
        return out.getvalue()


def _with_comment(jpeg: bytes, comment: bytes) -> bytes:
    """The same image as a different file: with a comment after the first marker."""
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment + jpeg[2:]
