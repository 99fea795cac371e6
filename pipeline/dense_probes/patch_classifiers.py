"""Classifiers of patch tokens, fitted on labelled training patches.

Shapes: Q patches, D channels, C classes that a classifier knows.
"""

from dataclasses import replace
from typing import Protocol

import numpy as np

from pipeline.config.dense import DenseProbeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.dense_probes.patch_clusters import fit_clusters
from pipeline.dense_probes.patch_knn import PatchNeighbours, choose_k
from pipeline.dense_probes.patch_linear import fit_patch_linear
from pipeline.dense_probes.patch_reader import PatchReader
from pipeline.dense_probes.patch_sample import PatchSample, choose_images, sample_patches
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks

SEED = 20  # of the sampled patches; not an option, so that arms differ only in their features


class PatchClassifier(Protocol):
    """Predicts the classes of patches from their tokens."""

    @property
    def classes(self) -> np.ndarray: ...  # (C,) int64: class of each column of the scores

    @property
    def protocol(self) -> str: ...  # description for the tables

    def scores(self, tokens: np.ndarray) -> np.ndarray: ...  # (Q, D) -> (Q, C) float32, the highest wins


def fit_classifiers(
    dataset: PreparedDataset,
    train: PatchSample,
    validation: PatchSample | None,
    config: DenseProbeConfig,
    num_threads: int,
    ranks: Ranks = SINGLE_PROCESS,
) -> dict[str, PatchClassifier]:
    """Fit, by task: a linear classifier, k nearest neighbours, and clusters, which use no labels.

    Every rank fits, since it would only wait otherwise, and all use the result of the first rank.

    Raises:
        ValueError: all training patches are of one class.
    """
    num_classes = len(dataset.class_names)
    linear = fit_patch_linear(
        train,
        validation,
        inverse_strengths=config.inverse_strengths,
        max_iterations=config.max_iterations,
        num_threads=num_threads,
    )
    k = choose_k(train, validation, ks=config.ks, temperature=config.temperature, num_threads=num_threads)
    clusters = fit_clusters(train.tokens, num_classes)

    def first(array: np.ndarray) -> np.ndarray:
        return ranks.broadcast(0, array)  # other kinds of processors may differ in the last bits

    linear = replace(linear, weights=first(linear.weights), biases=first(linear.biases))
    k, clusters = int(first(np.array([k]))[0]), replace(clusters, centers=first(clusters.centers))
    return {
        "patch-linear": linear,
        "patch-knn": PatchNeighbours(train, num_classes, k, config.temperature, num_threads),
        "clusters": clusters,
    }


def labelled_patches(
    dataset: PreparedDataset, split: str, reader: PatchReader, config: DenseProbeConfig
) -> PatchSample | None:
    """Labelled patches of a split, at most as many as the configuration allows; None if there are none."""
    rng = np.random.default_rng(SEED)
    rows = choose_images(rng, dataset.indices(split), config.max_train_images)
    if not len(rows):
        return None
    sample = sample_patches(
        rng,
        reader.read(dataset, rows, f"{split} patches"),
        dataset.label_map,
        num_images=len(rows),
        num_classes=len(dataset.class_names),
        max_patches=config.max_train_patches,
        ranks=reader.ranks,
    )
    return sample if len(sample) else None
