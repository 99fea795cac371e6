"""Computes features of a frozen backbone for every image of a split.

Shapes: b images of a batch, S pixels, B blocks, D channels.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from pipeline.datasets.prepared import PreparedDataset
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks


def batch_rows(rows: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """`rows` cut into batches of `batch_size`; the last one may be smaller."""
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def load_crops(
    dataset: PreparedDataset,
    rows: np.ndarray,
    *,
    resize: int,
    crop: Callable[[list[np.ndarray]], np.ndarray],
    batch_size: int,
) -> np.ndarray:
    """Evaluation crops of some images, padded with black images to a full batch.

    All batches have the same shape, so a network that is compiled per shape is compiled once.

    Args:
        rows: (b,) rows of the data set, b <= batch_size.
        resize: pixels; a JPEG is not decoded at a reduced size whose short side is below this.
        crop: images (H, W, 3) uint8 -> (b, 3, S, S) float32.

    Returns:
        (batch_size, 3, S, S) float32.
    """
    crops = crop(dataset.images(rows, at_least=resize))
    padded = np.zeros((batch_size, *crops.shape[1:]), np.float32)
    padded[: len(rows)] = crops
    return padded


def extract(
    batches: Iterable[np.ndarray],
    sizes: Iterable[int],
    forward: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    ranks: Ranks = SINGLE_PROCESS,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Compute features of padded batches, and drop those of the padding.

    With several ranks each computes its own batches, and all yield the features of all batches.

    Args:
        batches: (batch_size, 3, S, S) float32 each; this rank's, see `places_of_rank`.
        sizes: number of images in each batch without padding, of all ranks.
        forward: batch -> CLS tokens (batch_size, B, D) and mean patch tokens (batch_size, D).

    Yields:
        CLS tokens (b, B, D) and mean patch tokens (b, D).
    """
    sizes = list(sizes)
    rounds = [sizes[start : start + ranks.count] for start in range(0, len(sizes), ranks.count)]
    for batch, of_round in zip(batches, rounds, strict=True):
        cls, patch_mean = (ranks.all_gather_arrays(part) for part in forward(batch))
        for size, *parts in zip(of_round, cls, patch_mean, strict=False):  # the last round may be incomplete
            yield parts[0][:size], parts[1][:size]


def places_of_rank(num_batches: int, ranks: Ranks) -> list[int]:
    """Indices of the batches that a rank computes: one of each round, so that all ranks have equally many.

    In an incomplete last round, a rank without a batch of its own computes the last one too.
    """
    num_rounds = -(-num_batches // ranks.count)
    positions = range(ranks.index, num_rounds * ranks.count, ranks.count)
    return [min(place, num_batches - 1) for place in positions]
