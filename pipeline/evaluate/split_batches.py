"""Steps shared by all stages that compute features of every image: batches of each split, the summary."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.feature_files import SUMMARY
from pipeline.evaluate.features import batch_rows, places_of_rank
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.storage.files import write_json
from pipeline.training.prefetch import prefetch


def batches_of_splits(
    dataset: PreparedDataset,
    load: Callable[[np.ndarray], np.ndarray],
    *,
    batch_size: int,
    num_threads: int,
    ranks: Ranks = SINGLE_PROCESS,
) -> Iterator[tuple[str, np.ndarray, list[int], Iterable[np.ndarray]]]:
    """Yield batches of every split that has images, loaded ahead, with a progress bar.

    Args:
        load: rows (b,) of the data set -> a batch; called in several threads.
        ranks: that share the batches, see `places_of_rank`.

    Yields:
        The split, its rows (n,), the number of images in each batch, this rank's batches.
    """
    for split in ("train", "val", "test"):
        rows = dataset.indices(split)
        if not len(rows):
            continue
        parts = batch_rows(rows, batch_size)
        own = [parts[place] for place in places_of_rank(len(parts), ranks)]
        batches = prefetch(lambda step, own=own: load(own[step]), range(len(own)), num_threads=num_threads)
        shown = tqdm(batches, desc=split, unit="batch", total=len(own), dynamic_ncols=True)
        yield split, rows, [len(part) for part in parts], shown


def write_summary(directory: Path, dataset: PreparedDataset, **about: Any) -> None:
    """Write `features.json`: the data of the features, and `about`."""
    of_data = {
        "dataset": dataset.name,
        "class_names": dataset.class_names,
        "split_names": dataset.split_names,
        "content_digest": dataset.content_digest,
    }
    if "label_sets" in dataset.summary:
        of_data["is_multilabel"] = True  # an image has any number of classes
    write_json(directory / SUMMARY, of_data | about)
