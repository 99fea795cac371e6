"""Costs that grow with the number of images without reading pixels: indexes, orders, lists of shards."""

import os
import tarfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from benchmarks.resident import resident_mib
from pipeline.config.data import DataConfig
from pipeline.datasets.array_files import write_arrays
from pipeline.datasets.checking import Checked
from pipeline.datasets.manifest import Rows, write_index, write_manifest
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.source import Entry
from pipeline.datasets.splits import plan_splits
from pipeline.datasets.summary import summarize
from pipeline.datasets.tables.web_shards import read_web_shards
from pipeline.storage.files import write_json
from pipeline.training.block_order import BlockOrder
from pipeline.training.image_order import rows_of_step

IMAGES_PER_SHARD = 10_000
NUM_CLASSES = 1000
BATCH_SIZE = 256
STEPS = 100
_AT_ONCE = 2**17  # paths built at once


class ManyImages(ABC):
    """A repeat returns the seconds of one pass over `images` images."""

    def __init__(self, parameters: dict, folder: Path):
        self.num_images, self.folder = parameters["images"], folder
        self.prepare()
        self.extra = {"start_mib": resident_mib()}
        self.check: dict[str, float] = {}

    def prepare(self) -> None:  # noqa: B027 - not every program has something to prepare
        """Set up what does not count towards time and memory."""

    @abstractmethod
    def pass_over(self) -> None:
        """The measured pass."""

    def repeat(self) -> float:
        """Seconds."""
        started = time.perf_counter()
        self.pass_over()
        return time.perf_counter() - started


class OpenedSet(ManyImages):
    """Opening a prepared set of shards, and finding its training images; it stays open."""

    def prepare(self) -> None:
        count = self.num_images
        sizes = np.full((count, 2), (500, 375), np.int32)
        labels = (np.arange(count) % NUM_CLASSES).astype(np.int32)
        splits = (np.arange(count) % 50 == 0).astype(np.int8) * 2
        positions = np.full((count, 2), (512, 110_000))
        names, ends = paths_in_shards(count)
        write_arrays(
            self.folder / "index.npz",
            path_bytes=names, path_ends=ends, splits=splits, labels=labels, sizes=sizes, positions=positions,
        )  # fmt: skip
        write_json(self.folder / "summary.json", summary_of_shards(self.folder))

    def pass_over(self) -> None:
        self.dataset = None  # the previous one would count as memory
        self.dataset = PreparedDataset.open(self.folder)
        self.dataset.indices("train")


class WholeOrder(ManyImages):
    """The rows of the first steps of an epoch that is a permutation of all images."""

    epoch = 0

    def prepare(self) -> None:
        self.rows = np.arange(self.num_images)

    def pass_over(self) -> None:
        first = self.epoch * self.num_images // BATCH_SIZE + 1
        for step in range(first, first + STEPS):
            rows_of_step(self.rows, step, BATCH_SIZE, seed=0)
        self.epoch += 1


class BufferedOrder(WholeOrder):
    """The first steps of an epoch whose images are read in blocks and shuffled in a buffer."""

    def pass_over(self) -> None:
        order = BlockOrder(self.num_images, 256, 8192, seed=0)
        first = self.epoch * self.num_images // BATCH_SIZE + 1
        for step in range(first, first + STEPS):
            list(order.parts_of_step(step, BATCH_SIZE))
        self.epoch += 1


class ShardList(ManyImages):
    """Listing the samples of shards, whose images are empty.

    Full shards are names of one file: 14 million images would take 7 GB.
    """

    def prepare(self) -> None:
        first = self.folder / "train-000000.tar"
        for number in range(-(-self.num_images // IMAGES_PER_SHARD)):
            shard = self.folder / f"train-{number:06d}.tar"
            images = min(IMAGES_PER_SHARD, self.num_images - number * IMAGES_PER_SHARD)
            if number and images == IMAGES_PER_SHARD:
                os.link(first, shard)
                continue
            with tarfile.open(shard, "w") as archive:
                for image in range(images):
                    archive.addfile(tarfile.TarInfo(f"{image:09d}.jpg"))

    def pass_over(self) -> None:
        self.source = read_web_shards(DataConfig(source=str(self.folder)), self.folder)
        if len(self.source) != self.num_images:
            raise RuntimeError(f"expected {self.num_images} images, found {len(self.source)}")


class PreparedTables(ManyImages):
    """Preparing without reading and decoding images."""

    def pass_over(self) -> None:
        rows = Rows()
        for number in range(self.num_images):
            name = f"train-{number // IMAGES_PER_SHARD:06d}.tar/{number:09d}.jpg"
            label = f"{number % NUM_CLASSES:04d}"
            digest = number.to_bytes(32, "big")
            rows.add(Entry(name, "train", label, 512, 110_000), Checked(None, 500, 375, digest, (1,) * 6))
        names = tuple(sorted(rows.class_codes))
        columns = rows.columns(names)
        plan = plan_splits(
            columns.parts, columns.labels, list(rows.part_names), val_share=0.1, test_share=0.2, seed=0
        )
        write_manifest(self.folder / "manifest.csv", columns, plan.codes)
        write_index(self.folder / "index.npz", columns, plan.codes)
        summarize(columns, plan, list(names))


def paths_in_shards(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Concatenated paths `train-000000.tar/000000000.jpg` as bytes, and their ends."""
    width = len("train-000000.tar/000000000.jpg")
    names = np.empty((count, width), np.uint8)
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, count))
        text = "".join(f"train-{each // IMAGES_PER_SHARD:06d}.tar/{each:09d}.jpg" for each in numbers)
        names[first : first + len(numbers)] = np.frombuffer(text.encode(), np.uint8).reshape(-1, width)
    return names.ravel(), width * np.arange(1, count + 1)


def summary_of_shards(source: Path) -> dict:
    """The parts of such a set's summary.json that are read again."""
    return {
        "name": "many images",
        "source": str(source),
        "format": "webdataset",
        "access": "random",
        "annotation": "class",
        "stored": False,
        "max_pixels": 64_000_000,
        "grey_range": None,
        "class_names": [f"{number:04d}" for number in range(NUM_CLASSES)],
        "split_names": {"train": "train", "test": "val"},
        "mean": [0.5] * 3,
        "std": [0.2] * 3,
        "category_ids": [],
        "content_digest": "",
    }
