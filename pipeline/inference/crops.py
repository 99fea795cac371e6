"""Evaluation crops of any images, batch by batch; undecodable images are named and left out.

Shapes: b images of a batch, S pixels, C channels.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.source import Entry, Source
from pipeline.inference.images import Decoding
from pipeline.training.prefetch import prefetch
from pipeline.transforms.evaluation import center_crops


@dataclass(frozen=True)
class View:
    """The central crop that an experiment uses for evaluation."""

    resize: int  # pixels, short side
    crop_size: int  # pixels, square
    mean: np.ndarray  # (C,) of the channels, of RGB in [0, 1]
    std: np.ndarray


@dataclass(frozen=True, eq=False)
class Crops:
    """The crops of some consecutive entries."""

    images: np.ndarray  # (batch_size, C, S, S) float32; black if there is no image
    is_good: np.ndarray  # (b,) bool
    paths: list[str]  # (b,)
    reasons: list[tuple[str, str]]  # path and reason of those that are not good


def crop_batches(
    source: Source,
    entries: Iterable[Entry],
    decoding: Decoding,
    view: View,
    *,
    batch_size: int,
    num_threads: int,
) -> Iterator[Crops]:
    """Yield the crops of the entries, in order, made ahead in threads.

    An entry has the same position in its batch whether or not others can be decoded. A thread holds one
    decoded image at a time, because a batch of large photographs would not fit into memory.
    """
    entries = iter(entries)
    batches = iter(lambda: list(itertools.islice(entries, batch_size)), [])

    def load(batch: list[Entry]) -> Crops:
        images = np.zeros((batch_size, len(view.mean), view.crop_size, view.crop_size), np.float32)
        is_good, reasons = np.ones(len(batch), bool), []
        for place, entry in enumerate(batch):
            try:
                pixels = decoding.pixels(source, entry, view.resize)
                images[place] = center_crops(
                    [pixels], view.resize, view.crop_size, mean=view.mean, std=view.std
                )[0]
            except UndecodableImage as error:
                is_good[place] = False
                reasons.append((entry.path, str(error)))
        return Crops(images, is_good, [entry.path for entry in batch], reasons)

    return prefetch(load, batches, num_threads=num_threads, depth=num_threads + 2)
