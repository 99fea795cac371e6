"""Decoded images, a few at a time, with the interface that predictors of dense tasks need."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.source import Entry, Source
from pipeline.datasets.targets import IGNORED
from pipeline.inference.images import Decoding
from pipeline.training.prefetch import prefetch

_MOST_IMAGES = 64
_MOST_BYTES = 2**26  # of pixels, apart from a single larger image


@dataclass(eq=False)
class DecodedImages:
    """A few images at their own size, by position; replaces a `PreparedDataset` for predictors."""

    class_names: list[str]
    category_ids: list[int]
    first_id: int  # of the first image; the next ones follow
    paths: list[str] = field(default_factory=list)
    images: list[np.ndarray] = field(default_factory=list)  # (H, W, 3) uint8

    def __len__(self) -> int:
        return len(self.images)

    def image(self, i: int) -> np.ndarray:
        """(H, W, 3) uint8."""
        return self.images[i]

    def size(self, i: int) -> tuple[int, int]:
        """(width, height) in pixels."""
        height, width = self.images[i].shape[:2]
        return width, height

    def label_map(self, i: int) -> np.ndarray:
        """(H, W) of IGNORED, since nothing is known of any pixel; its size is that of the prediction."""
        return np.broadcast_to(np.int16(IGNORED), self.images[i].shape[:2])

    def image_id(self, i: int) -> int:
        """Number of the image among all."""
        return self.first_id + i


def decoded_parts(
    source: Source,
    decoding: Decoding,
    *,
    class_names: list[str],
    category_ids: list[int],
    num_threads: int,
) -> Iterator[tuple[DecodedImages, list[tuple[str, str]]]]:
    """Yield consecutive images, as many as fit into bounded memory, with path and reason of unusable ones
    between.

    Images are numbered from 1 in the order of the source; an unusable one has no number.
    """

    def load(entry: Entry) -> tuple[str, np.ndarray | str]:
        try:
            return entry.path, decoding.pixels(source, entry)
        except UndecodableImage as error:
            return entry.path, str(error)

    def empty(first_id: int) -> DecodedImages:
        return DecodedImages(class_names, category_ids, first_id)

    part, bad, num_bytes = empty(1), [], 0
    for path, found in prefetch(load, source.entries(), num_threads=num_threads, depth=2 * num_threads):
        if isinstance(found, str):
            bad.append((path, found))
            continue
        if len(part) and (len(part) == _MOST_IMAGES or num_bytes + found.nbytes > _MOST_BYTES):
            yield part, bad
            part, bad, num_bytes = empty(part.first_id + len(part)), [], 0
        part.paths.append(path)
        part.images.append(found)
        num_bytes += found.nbytes
    yield part, bad
