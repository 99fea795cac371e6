"""Average precision on resamples of the images, with detections and objects matched only once.

Detections are matched with objects within an image, so the matches are the same in every resample. A resample
only changes how often each image counts: detections are sorted by score once, and each resample sums them
with other weights. Shapes: n images, R resamples, T IoU thresholds, N detections of one class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BLOCK_ELEMENTS = 4_000_000  # numbers in one intermediate array


@dataclass(frozen=True, eq=False)
class ImagePairs:
    """Detections and objects of one class in one image."""

    image: int  # 0..n-1
    scores: np.ndarray  # (d,) descending
    crowd: np.ndarray  # (g,) bool
    ious: np.ndarray  # (d, g) float64


@dataclass(frozen=True, eq=False)
class ClassMatches:
    """Detections of one class in all images, by descending score."""

    image: np.ndarray  # (N,) int64: the image of each
    hit: np.ndarray  # (T, N) bool: matches an object
    ignored: np.ndarray  # (T, N) bool: matches a crowd, and is ignored
    num_truths: np.ndarray  # (n,) int64: objects of each image, without crowds


def matched(pairs: Sequence[ImagePairs], num_images: int, thresholds: np.ndarray) -> ClassMatches:
    """Match detections with objects in each image, and sort by score; ties keep the order of `pairs`.

    Args:
        pairs: detections and objects of one class; images with neither may be left out.
        thresholds: (T,) IoU.
    """
    num_truths = np.zeros(num_images, np.int64)
    scores, images = [np.zeros(0)], [np.zeros(0, np.int64)]
    hits, ignored = [np.zeros((len(thresholds), 0), bool)], [np.zeros((len(thresholds), 0), bool)]
    for pair in pairs:
        num_truths[pair.image] = np.count_nonzero(~pair.crowd)
        hit, on_crowd = greedy_matches(pair.ious, pair.crowd, thresholds)
        scores.append(pair.scores)
        images.append(np.full(len(pair.scores), pair.image))
        hits.append(hit)
        ignored.append(on_crowd)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return ClassMatches(
        np.concatenate(images)[order],
        np.concatenate(hits, axis=1)[:, order],
        np.concatenate(ignored, axis=1)[:, order],
        num_truths,
    )


def greedy_matches(
    ious: np.ndarray, crowd: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Match each detection with the unmatched object that it overlaps most, or else with a crowd.

    Args:
        ious: (d, g), detections by descending score; for a crowd, the share of the detection inside it.
        crowd: (g,) bool.
        thresholds: (T,) smallest IoU of a match.

    Returns:
        (T, d) bool: whether it is matched with an object; (T, d) bool: whether it is matched with a crowd.

    Source: pycocotools' evaluateImg; among equal overlaps the last object is taken.
    """
    shape = (len(thresholds), len(ious))
    hit, on_crowd = np.zeros(shape, bool), np.zeros(shape, bool)
    if not len(crowd):
        return hit, on_crowd
    limits = np.minimum(thresholds, 1 - 1e-10)[:, None]
    left = np.broadcast_to(~crowd, (len(thresholds), len(crowd))).copy()
    for index, row in enumerate(ious):
        reached = row >= limits
        candidates = reached & left
        found = np.flatnonzero(candidates.any(axis=1))
        best = np.where(candidates[found], row, -1)[:, ::-1].argmax(axis=1)
        left[found, len(crowd) - 1 - best] = False
        hit[found, index] = True
        on_crowd[:, index] = (reached & crowd).any(axis=1)
    return hit, on_crowd & ~hit


def class_precision(classes: Sequence[ClassMatches], counts: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Average precision of each class on each resample.

    Args:
        counts: (R, n) integers, how often each image is in each resample.
        recalls: ascending recalls over which the precision is averaged.

    Returns:
        (R, T, K) float64; NaN for a class without objects in a resample.
    """
    found = np.full((len(counts), len(classes[0].hit), len(classes)), np.nan)
    for index, matches in enumerate(classes):
        block = max(_BLOCK_ELEMENTS // max(len(matches.image), 1), 1)
        for start in range(0, len(counts), block):
            rows = np.arange(start, min(start + block, len(counts)))
            num_truths = counts[rows] @ matches.num_truths
            present = num_truths > 0
            found[rows[present], :, index] = _average_precision(
                matches, counts[rows[present]], num_truths[present], recalls
            )
    return found


def mean_over_classes(precision: np.ndarray) -> np.ndarray:
    """(R, T, K) -> (R, T): mean over the classes in each resample. NaN if it has none."""
    there = ~np.isnan(precision)
    total, count = np.where(there, precision, 0).sum(axis=2), there.sum(axis=2)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _average_precision(
    matches: ClassMatches, counts: np.ndarray, num_truths: np.ndarray, recalls: np.ndarray
) -> np.ndarray:
    """Average precision (R, T) of one class that has objects in each resample.

    Precision rises with each match and falls in between, so the highest precision from some rank on is that
    of a match, and only matches need be considered.
    """
    weights = counts[:, matches.image]  # (R, N)
    seen = np.cumsum(weights, axis=1)
    result = np.zeros((len(counts), len(matches.hit)))
    for index, (hit, ignored) in enumerate(zip(matches.hit, matches.ignored, strict=True)):
        hits, ignored = np.flatnonzero(hit), np.flatnonzero(ignored)
        if not len(hits):
            continue
        num_hits = np.cumsum(weights[:, hits], axis=1)
        num_ignored = np.cumsum(np.pad(weights[:, ignored], ((0, 0), (1, 0))), axis=1)
        num_counted = seen[:, hits] - num_ignored[:, np.searchsorted(ignored, hits)]
        precision = num_hits / np.maximum(num_counted, 1)  # a resample may have no detections up to here
        best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        # Number of recalls that each match reaches but the match before it does not.
        reached = np.searchsorted(recalls, num_hits / num_truths[:, None], side="right")
        gained = np.diff(reached, axis=1, prepend=0)
        result[:, index] = (best_from_here * gained).sum(axis=1) / len(recalls)
    return result
