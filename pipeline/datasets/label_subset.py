"""A share of the training labels, chosen once for all arms and kept as a file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.storage.files import read_json, replacing, write_json

_SUMMARY, _ROWS = "subset.json", "rows.npy"


@dataclass(frozen=True, eq=False)
class LabelSubset:
    """The training images that a probe or a classifier may learn from."""

    share: float  # of the labels
    rows: np.ndarray | None  # (m,) int64 of the data set, ascending; None: all

    def task(self, name: str) -> str:
        """Name of a task in the tables: "knn" with all labels, "knn-10%" with a tenth of them."""
        return name if self.rows is None else f"{name}-{100 * self.share:g}%"

    def chosen(self, rows: np.ndarray) -> np.ndarray:
        """Those of the labelled training images `rows` that may be learnt from."""
        return rows if self.rows is None else self.rows

    @property
    def description(self) -> str:
        """Text for a protocol, with a comma in front; empty if all labels are used."""
        if self.rows is None:
            return ""
        return f", {100 * self.share:g} % of the training labels ({len(self.rows)} images)"


def stratified_positions(rng: np.random.Generator, labels: np.ndarray, share: float) -> np.ndarray:
    """A share of the images of every class, at least one of each.

    Args:
        labels: (n,) int.
        share: 0 < share <= 1.

    Returns:
        (m,) int64 positions in `labels`, ascending. m is the share of n to within one image, plus one for
            each class that would otherwise have none.
    """
    classes, of_class, counts = np.unique(labels, return_inverse=True, return_counts=True)
    exact = share * counts
    quotas = np.floor(exact).astype(np.int64)
    # Rounded by largest remainder, so that many small classes do not all round down.
    missing = round(float(exact.sum())) - int(quotas.sum())
    by_remainder = np.lexsort((rng.random(len(classes)), quotas - exact))
    quotas[by_remainder[:missing]] += 1
    quotas = np.clip(quotas, 1, counts)
    shuffled = np.lexsort((rng.random(len(labels)), of_class))
    place_in_class = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(shuffled[place_in_class < np.repeat(quotas, counts)])


def write_subset(directory: Path, subset: LabelSubset) -> None:
    """Write rows.npy and subset.json."""
    with replacing(directory / _ROWS) as partial, open(partial, "wb") as stream:
        np.save(stream, subset.rows)
    write_json(directory / _SUMMARY, {"share": subset.share, "num_images": len(subset.rows)})


def read_subset(directory: Path | None) -> LabelSubset:
    """Read what `write_subset` wrote; without a directory, the subset has all images.

    Raises:
        FileNotFoundError: there is no subset.
        ValueError: its files disagree.
    """
    if directory is None:
        return LabelSubset(1.0, None)
    path = directory / _SUMMARY
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no subset of labels here; run the task subset")
    summary, rows = read_json(path), np.load(directory / _ROWS, allow_pickle=False)
    if rows.dtype != np.int64 or rows.shape != (summary["num_images"],):
        expected = f"int64 ({summary['num_images']},)"
        raise ValueError(f"{directory / _ROWS}: expected {expected}, found {rows.dtype} {rows.shape}")
    return LabelSubset(summary["share"], rows)
