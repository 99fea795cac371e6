"""Checking a JPEG file as `prepare` does, against decoding it; processor time of one thread."""

import time
from pathlib import Path

from benchmarks.photographs import write_photographs
from pipeline.datasets.checking import check
from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.source import Entry

IMAGES = 200


class _Files:
    """A repeat returns the processor seconds of one pass over the files, read from the page cache."""

    def __init__(self, parameters: dict, folder: Path):
        self.folder = folder
        self.paths = write_photographs(folder, parameters.get("images", IMAGES))
        self.check = {"sum of the first image": float(self.first_sum())}

    def first_sum(self) -> int:
        """The sum of all values of the first image."""
        raise NotImplementedError

    def read(self, path: Path) -> object:
        """Process one file."""
        raise NotImplementedError

    def repeat(self) -> float:
        """Processor seconds."""
        started = time.process_time()
        for path in self.paths:
            self.read(path)
        return time.process_time() - started


class OurChecking(_Files):
    """Read, decoded, digested, its colours summed."""

    def first_sum(self) -> int:
        self.source = ImageFolder(self.folder, max_bytes=2**30)
        return sum(self.read(self.paths[0]).sums[:3])

    def read(self, path: Path) -> object:
        return check(self.source, Entry(path.name), max_pixels=10**8, keep_pixels=False)


class PillowDecoding(_Files):
    """Read and decoded as torchvision's ImageFolder does by default."""

    def first_sum(self) -> int:
        import numpy as np

        return int(np.asarray(self.read(self.paths[0])).sum())

    def read(self, path: Path) -> object:
        from PIL import Image

        with open(path, "rb") as stream:
            return Image.open(stream).convert("RGB")


class TorchvisionDecoding(_Files):
    """Read and decoded by torchvision.io."""

    def first_sum(self) -> int:
        import torch

        torch.set_num_threads(1)
        return int(self.read(self.paths[0]).sum())

    def read(self, path: Path) -> object:
        from torchvision.io import ImageReadMode, decode_jpeg, read_file

        return decode_jpeg(read_file(str(path)), ImageReadMode.RGB)
