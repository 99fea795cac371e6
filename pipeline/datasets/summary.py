"""Counts and statistics of a prepared data set."""

from typing import Any

import numpy as np

from pipeline.datasets.channels.statistics import set_statistics
from pipeline.datasets.manifest import Columns
from pipeline.datasets.splits import SPLITS, TEST, TRAIN, UNUSED, VAL, SplitPlan

LEAST_STD = 1 / 255  # one grey level: a smaller standard deviation is replaced by this


def summarize(columns: Columns, plan: SplitPlan, class_names: list[str]) -> dict[str, Any]:
    """The statistics of the images for summary.json.

    Duplicates are images with equal bytes (for arrays: equal pixels) in two splits. They are counted, because
    test images that were trained on inflate a score, and left where they are. A channel that hardly varies
    over the training images gets the standard deviation LEAST_STD (for images with channels: 1), and is
    listed.
    """
    is_train = plan.codes == TRAIN
    statistics = _rgb_statistics if columns.sums.dtype == np.int64 else _channel_statistics
    return {
        "num_images": len(columns),
        "num_unused": int(np.sum(plan.codes == UNUSED)),
        "class_names": class_names,
        "split_names": plan.names,
        "counts": {name: int(np.sum(plan.codes == SPLITS.index(name))) for name in SPLITS[:3]},
        "class_counts": {
            name: np.bincount(
                columns.labels[(plan.codes == SPLITS.index(name)) & (columns.labels >= 0)],
                minlength=len(class_names),
            ).tolist()
            for name in SPLITS[:3]
        },
        **statistics(columns.sums[is_train], columns.sizes[is_train]),
        "duplicates": {
            "test_in_train": _num_shared(columns.digests, plan.codes, TEST, TRAIN),
            "val_in_train": _num_shared(columns.digests, plan.codes, VAL, TRAIN),
            "test_in_val": _num_shared(columns.digests, plan.codes, TEST, VAL),
        },
        "short_sides": short_sides(columns.sizes),
    }


def _rgb_statistics(sums: np.ndarray, sizes: np.ndarray) -> dict[str, Any]:
    mean, std = pixel_statistics(sums, sizes)
    return {
        "mean": mean,
        "std": [max(value, LEAST_STD) for value in std],
        "flat_channels": [name for name, value in zip("RGB", std, strict=True) if value < LEAST_STD],
    }


def _channel_statistics(of_images: np.ndarray, sizes: np.ndarray) -> dict[str, Any]:
    mean, std, flat = set_statistics(of_images, sizes)
    return {"mean": mean, "std": std, "flat_channels": [f"channel {number}" for number in flat]}


def pixel_statistics(sums: np.ndarray, sizes: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of R, G and B over all pixels, in [0, 1].

    Args:
        sums: (n, 6) int64, each image's sums of R, G, B and of their squares, in 0..255.
        sizes: (n, 2) int64, width and height.
    """
    num_pixels = int(sizes.prod(axis=1).sum())
    # Python integers, because sums of squares over a large data set exceed 64 bits.
    totals = [sum(column.tolist()) for column in sums.T]
    mean = [total / num_pixels / 255 for total in totals[:3]]
    variance = [square / num_pixels / 255**2 - m * m for square, m in zip(totals[3:], mean, strict=True)]
    return mean, [max(v, 0.0) ** 0.5 for v in variance]


def short_sides(sizes: np.ndarray) -> list[dict[str, int]]:
    """Histogram of the images' short sides in bins from 2^k to 2^(k+1) pixels, without empty bins."""
    exponents = np.floor(np.log2(sizes.min(axis=1))).astype(np.int64)
    found, counts = np.unique(exponents, return_counts=True)
    return [
        {"from": 2**k, "below": 2 ** (k + 1), "count": n}
        for k, n in zip(found.tolist(), counts.tolist(), strict=True)
    ]


def _num_shared(digests: np.ndarray, codes: np.ndarray, of: int, among: int) -> int:
    """Number of images of one split with a duplicate in another."""
    return int(np.isin(digests[codes == of], digests[codes == among]).sum())
