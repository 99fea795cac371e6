"""Predicts the classes of a split's images."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from pipeline.config.finetune import FinetuneConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.features import batch_rows, load_crops, places_of_rank
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.training.prefetch import prefetch
from pipeline.transforms.evaluation import center_crops


def logits_of_batches(
    logits_of: Callable[[np.ndarray], np.ndarray],
    dataset: PreparedDataset,
    rows: np.ndarray,
    config: FinetuneConfig,
    *,
    mean: np.ndarray,
    std: np.ndarray,
    ranks: Ranks = SINGLE_PROCESS,
) -> Iterator[np.ndarray]:
    """Yield the logits of the central crops, (b, K) float32 per batch, on whichever rank they were computed.

    Args:
        logits_of: images (b, 3, S, S) float32 -> logits (b, K); always called with b = `test_batch_size`.
        rows: (n,) rows of the images in the data set.
        mean, std: (3,), of the channels in [0, 1].
        ranks: the ranks that share the images; each of them gets all logits.

    Raises:
        FloatingPointError: a logit is not finite.
    """
    view, size = config.view, config.test_batch_size

    def crop(images: list[np.ndarray]) -> np.ndarray:
        return center_crops(images, view.resize, view.image_size, mean=mean, std=std)

    load = partial(load_crops, dataset, resize=view.resize, crop=crop, batch_size=size)
    parts = batch_rows(rows, size)
    own, places = [parts[place] for place in places_of_rank(len(parts), ranks)], iter(parts)
    for part, images in zip(own, prefetch(lambda i: load(own[i]), range(len(own))), strict=True):
        logits = logits_of(images)
        if not np.isfinite(logits[: len(part)]).all():
            raise FloatingPointError(f"logits of the images {part[0]}..{part[-1]} are not all finite")
        for of_rank in ranks.all_gather_arrays(logits):
            if (place := next(places, None)) is not None:  # in the last round some ranks have none left
                yield of_rank[: len(place)]


def top_classes(batches: Iterable[np.ndarray]) -> np.ndarray:
    """The most likely classes of each image, in decreasing order; of equal logits the lower class is first.

    Args:
        batches: logits, (b, K) each.

    Returns:
        (n, min(5, K)) int64.
    """
    return np.concatenate([np.argsort(-logits, axis=1, kind="stable")[:, :5] for logits in batches])
