"""Large single files: a COCO JSON file of the size of instances_train2017, and a WebDataset shard."""

import json
import os
import tarfile
import time
from pathlib import Path

import numpy as np

from benchmarks.photographs import write_photographs
from benchmarks.resident import reset_peak, resident_mib
from pipeline.config.data import DataConfig
from pipeline.datasets.decode import decode
from pipeline.datasets.objects.coco import read_coco
from pipeline.datasets.tables.web_shards import read_web_shards

CORNERS = 24  # of an outline, about as many as COCO's have
_AT_ONCE = 2**22  # bytes


class CocoFile:
    """A repeat returns the processor seconds of opening the set; `report` returns the peak memory."""

    def __init__(self, parameters: dict, folder: Path):
        self.folder = folder
        _write_coco(folder, parameters.get("images", 118_287), parameters.get("objects", 860_001))
        self.check: dict[str, float] = {}
        reset_peak()

    def repeat(self) -> float:
        """Processor seconds."""
        self.source = None  # the previous one would count as memory
        started = time.process_time()
        self.source = read_coco(DataConfig(source=str(self.folder), annotation="objects"), self.folder)
        return time.process_time() - started

    def report(self) -> dict[str, float]:
        """Peak memory in MiB."""
        return {"peak_mib": resident_mib("VmHWM")}


class ShardReading:
    """A repeat returns the seconds of reading a shard's images and decoding them.

    `report` returns the seconds of reading the file sequentially, and its images without decoding, each after
    the file was dropped from the page cache.
    """

    def __init__(self, parameters: dict, folder: Path):
        self.shard = folder / "shards" / "train-000000.tar"
        self.shard.parent.mkdir(exist_ok=True)
        paths = write_photographs(folder, 200)
        with tarfile.open(self.shard, "w") as archive:
            for number in range(parameters.get("images", 5000)):
                archive.add(paths[number % len(paths)], f"{number:06d}.jpg")
        self.source = read_web_shards(DataConfig(source=str(self.shard.parent)), self.shard.parent)
        self.check: dict[str, float] = {}

    def repeat(self) -> float:
        """Seconds, decoding included."""
        return self._images(decode)

    def report(self) -> dict[str, float]:
        """Seconds of reading, and the share of decoding in reading and decoding."""
        started = time.perf_counter()
        self._drop_from_cache()
        with open(self.shard, "rb", buffering=0) as stream:
            while stream.read(_AT_ONCE):
                pass
        file_seconds = time.perf_counter() - started
        images_seconds, both = self._images(len), self.repeat()
        return {
            "file_seconds": file_seconds,
            "images_seconds": images_seconds,
            "of_file_speed": file_seconds / images_seconds,
            "decoding_share": 1 - images_seconds / both,
        }

    def _images(self, use) -> float:
        started = time.perf_counter()
        self._drop_from_cache()
        for entry in self.source.entries():
            use(self.source.read(entry.path, entry.start, entry.size))
        return time.perf_counter() - started

    def _drop_from_cache(self) -> None:
        with open(self.shard, "rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _write_coco(folder: Path, num_images: int, num_objects: int) -> None:
    """Write the JSON file, and an empty file for each of its images."""
    rng = np.random.default_rng(0)
    images = folder / "train2017"
    images.mkdir(exist_ok=True)
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    outline = np.stack([np.cos(angles), np.sin(angles)], axis=1) / 2 + 0.5
    (folder / "annotations").mkdir(exist_ok=True)
    with open(folder / "annotations/instances_train2017.json", "w") as stream:
        stream.write('{"images": [')
        for number in range(num_images):
            name = f"{number:012d}.jpg"
            (images / name).touch()
            image = {"id": number, "file_name": name, "width": 640, "height": 480, "license": 4}
            address = f"http://images.example.org/train2017/{name}"
            stream.write(", " * (number > 0) + json.dumps(image | {"coco_url": address}))
        stream.write('], "annotations": [')
        for number in range(num_objects):
            x, y, width, height = rng.integers(10, 200, 4).tolist()
            corners = np.round(outline * (width, height) + (x, y), 2).ravel().tolist()
            entry = {
                "id": number + 1,
                "image_id": number % num_images,
                "category_id": number % 80 + 1,
                "bbox": [x, y, width, height],
                "area": width * height,
                "iscrowd": 0,
                "segmentation": [corners],
            }
            stream.write(", " * (number > 0) + json.dumps(entry))
        classes = [{"id": number, "name": f"class {number}"} for number in range(1, 81)]
        stream.write(f'], "categories": {json.dumps(classes)}}}')
