"""Samples the labelled patches on which the probes are fitted.

Shapes: M patches, D channels, h x w patches of an image, K classes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.targets import IGNORED
from pipeline.dense_probes.patch_features import PatchFeatures
from pipeline.dense_probes.patch_grid import patch_labels
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks


@dataclass(frozen=True, eq=False)
class PatchSample:
    """Patch tokens with their labels; ignored patches are left out."""

    tokens: np.ndarray  # (M, D) float32
    labels: np.ndarray  # (M,) int64
    num_images: int  # from which they were sampled

    def __len__(self) -> int:
        return len(self.labels)


def choose_images(rng: np.random.Generator, rows: np.ndarray, max_images: int) -> np.ndarray:
    """All rows, or `max_images` of them drawn without replacement, in ascending order."""
    if len(rows) <= max_images:
        return rows
    return np.sort(rng.choice(rows, max_images, replace=False))


def sample_patches(
    rng: np.random.Generator,
    batches: Iterable[tuple[np.ndarray, PatchFeatures]],
    label_map: Callable[[int], np.ndarray],
    *,
    num_images: int,
    num_classes: int,
    max_patches: int,
    ranks: Ranks = SINGLE_PROCESS,
) -> PatchSample:
    """Draw the same number of labelled patches from each image, without replacement.

    Memory grows with `max_patches`, not with the number of images. With several ranks each passes its own
    batches, and all return the patches of all.

    Args:
        batches: rows of the data set and their features; `num_images` rows in all.
        label_map: row -> (H, W) integers, 0..num_classes - 1 or IGNORED.
        max_patches: of all images together; an image gives at least one, if it has one with a label.
        ranks: that read the images; each has equally many batches, and one read by two ranks comes last.
    """
    per_image = max(1, max_patches // max(1, num_images))
    tokens, labels, left = [], [], num_images
    for rows, features in batches:
        maps = [patch_labels(label_map(int(row)), features.grid, num_classes).ravel() for row in rows]
        # Every rank draws for all images, in order, so that the generator advances as with one rank.
        places: list[list[np.ndarray]] = []
        for of_rank in ranks.all_gather_uneven(np.stack(maps)):
            fresh, left = of_rank[:left], max(0, left - len(of_rank))
            places.append([_drawn(rng, of_image, per_image) for of_image in fresh])
            labels += [of_image[chosen] for of_image, chosen in zip(fresh, places[-1], strict=True)]
        flat = features.tokens.reshape(len(rows), -1, features.tokens.shape[-1])
        own = [of_image[chosen] for of_image, chosen in zip(flat, places[ranks.index], strict=False)]
        tokens += ranks.all_gather_uneven(np.concatenate([flat[0, :0], *own]))
    if not tokens:
        return PatchSample(np.zeros((0, 0), np.float32), np.zeros(0, np.int64), num_images)
    return PatchSample(np.concatenate(tokens), np.concatenate(labels), num_images)


def _drawn(rng: np.random.Generator, labels: np.ndarray, most: int) -> np.ndarray:
    """Positions of at most `most` patches with a label, ascending."""
    return np.sort(rng.permutation(np.flatnonzero(labels != IGNORED))[:most])
