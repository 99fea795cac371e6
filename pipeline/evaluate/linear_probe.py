"""Linear classifiers on frozen features: one per learning rate, all trained at once.

Shapes: N images, B images of a batch, D channels, C classes, L learning rates. The weights of all classifiers
form one matrix (D, C * L), so a step is two large products. The learning rate is the fastest axis, so that
sums over classes read contiguous memory.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import expit

from pipeline.evaluate.feature_rows import FeatureRows
from pipeline.evaluate.probes.settings import LinearConfig
from pipeline.evaluate.read_ahead import read_ahead

ToGradient = Callable[[np.ndarray, np.ndarray, int], None]
LR_REFERENCE_BATCH = 256  # images; base learning rates are stated for this batch size
INIT_STD = 0.01
HELD_BYTES = 256 * 2**20  # features to train on that are kept in memory: every epoch reads all
SCORE_BYTES = 256 * 2**20  # of all images by some rates, in memory at once
EVALUATION_BYTES = 32 * 2**20  # logits in memory at once
SOFTMAX_BYTES = 2**18  # logits that fit into a core's cache


@dataclass(frozen=True)
class LinearSweep:
    """Trained classifiers, one per base learning rate."""

    base_lrs: tuple[float, ...]
    weights: np.ndarray  # (D, C, L) float32
    biases: np.ndarray  # (C, L) float32

    @property
    def diverged(self) -> np.ndarray:
        """Whether each classifier has a weight that is not finite, (L,) bool."""
        return ~(np.isfinite(self.weights).all(axis=(0, 1)) & np.isfinite(self.biases).all(axis=0))


class Checkpointer(Protocol):
    """Saves and restores the state of a sweep during training."""

    def restore(self, state: Mapping[str, np.ndarray]) -> int:
        """Fill in the saved arrays in place; return the number of batches done, 0 if nothing was saved."""

    def save(self, state: Mapping[str, np.ndarray], num_batches: int) -> None:
        """Called after each batch with the arrays, which later steps change, and how many are done."""


def train_sweep(
    features: np.ndarray | FeatureRows,
    labels: np.ndarray,
    config: LinearConfig,
    *,
    num_classes: int,
    rng: np.random.Generator,
    report: Callable[[int], None] = lambda epoch: None,
    checkpointer: Checkpointer | None = None,
) -> LinearSweep:
    """Train a softmax classifier for every base learning rate, on the same batches.

    All start from the same weights, so the result of a rate does not depend on the other rates in the sweep.
    A rate that diverges ends in NaN, does not affect the others, and is marked in the result.

    Args:
        features: (N, D) float32, used as they are.
        labels: (N,) int64 in 0..num_classes - 1; or (N, num_classes) of 0 and 1, any number of classes for
            each image: the loss is then the sum of each class's binary cross-entropy.
        report: called after each epoch with the number of finished epochs.
        checkpointer: of the state; a sweep resumed from it ends bit for bit like an uninterrupted one.

    Raises:
        ValueError: there are no images, the lengths disagree, or a label is out of range.

    Source:
        iBOT (Zhou et al. 2022), linear evaluation: weights N(0, 0.01), biases 0, SGD with momentum, no weight
        decay, cosine to 0 in steps of an epoch, rate * batch / 256. Deviations: cached features of centre
        crops, no augmentation; a training set smaller than the batch is one batch, and the rate is scaled by
        that size. The last batch of an epoch may be smaller, at an unchanged rate.
    """
    num_images, num_channels = features.shape
    _check_labels(labels, num_images, num_classes)
    if isinstance(features, FeatureRows):
        features = features.held(HELD_BYTES)
    batch_size = min(config.batch_size, num_images)
    base_lrs = np.array(config.base_lrs, np.float32)
    peak_lrs = np.tile(base_lrs * (batch_size / LR_REFERENCE_BATCH), num_classes)
    start = rng.normal(0, INIT_STD, (num_channels, num_classes)).astype(np.float32)
    weights = np.repeat(start, len(base_lrs), axis=1)  # (D, C * L)
    to_gradient = _to_binary_gradient if labels.ndim == 2 else _to_logit_gradient
    classifiers = _Optimiser(weights, num_classes, config.momentum, to_gradient)
    done, num_batches = 0 if checkpointer is None else checkpointer.restore(classifiers.state), 0
    with np.errstate(all="ignore"):  # overflow is an expected result of a rate that is too high
        for epoch in range(config.epochs):
            lrs = peak_lrs * np.float32((1 + math.cos(math.pi * epoch / config.epochs)) / 2)
            order = rng.permutation(num_images)  # drawn for finished epochs too, so that later ones are equal
            for first in range(0, num_images, batch_size):
                num_batches += 1
                if num_batches <= done:
                    continue
                rows = order[first : first + batch_size]
                images = features[rows]
                read_ahead(features, order[first + batch_size : first + 2 * batch_size])
                classifiers.step(images, labels[rows], lrs)
                if checkpointer is not None:
                    checkpointer.save(classifiers.state, num_batches)
            report(epoch + 1)
    shape = (num_classes, len(base_lrs))
    return LinearSweep(
        config.base_lrs, weights.reshape(num_channels, *shape), classifiers.biases.reshape(shape)
    )


def predict(sweep: LinearSweep, features: np.ndarray | FeatureRows) -> np.ndarray:
    """The class of highest logit for every image and rate, (N, L) int64; the lowest class wins a tie."""
    num_channels, num_classes, num_rates = sweep.weights.shape
    weights = sweep.weights.reshape(num_channels, -1)
    predictions = np.empty((features.shape[0], num_rates), np.int64)
    block = max(1, EVALUATION_BYTES // (4 * weights.shape[1]))
    with np.errstate(all="ignore"):
        for first in range(0, len(predictions), block):
            rows = slice(first, first + block)
            logits = (features[rows] @ weights).reshape(-1, num_classes, num_rates) + sweep.biases
            predictions[rows] = logits.argmax(axis=1)
    return predictions


def best_rate(accuracies: np.ndarray, diverged: np.ndarray) -> int:
    """Index of the most accurate rate that did not diverge; the first one wins a tie.

    Raises:
        FloatingPointError: every rate diverged.
    """
    if diverged.all():
        raise FloatingPointError("the linear probe diverged at every learning rate; lower linear.base_lrs")
    return int(np.where(diverged, -np.inf, accuracies).argmax())


def _check_labels(labels: np.ndarray, num_images: int, num_classes: int) -> None:
    if labels.ndim == 2:
        if not num_images or labels.shape != (num_images, num_classes) or not np.isin(labels, (0, 1)).all():
            raise ValueError(
                f"a linear probe needs 0 or 1 for {num_images} images and {num_classes} classes, "
                f"got {labels.shape}"
            )
        return
    if not num_images or labels.shape != (num_images,):
        raise ValueError(f"a linear probe needs images and one label each, got {num_images}, {labels.shape}")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"labels {labels.min()}..{labels.max()} leave 0..{num_classes - 1}")


class _Optimiser:
    """Weights, velocities and buffers of all classifiers, updated in place."""

    def __init__(
        self, weights: np.ndarray, num_classes: int, momentum: float, to_gradient: ToGradient
    ) -> None:
        self._to_gradient = to_gradient
        self.weights = weights  # (D, C * L)
        self.biases = np.zeros(weights.shape[1], np.float32)
        self._weight_velocity = np.zeros_like(weights)
        self._bias_velocity = np.zeros_like(self.biases)
        self._gradient = np.empty_like(weights)
        self._num_classes = num_classes
        self._momentum = momentum

    @property
    def state(self) -> dict[str, np.ndarray]:
        """All arrays that a step changes, not copied."""
        return {
            "weights": self.weights,
            "biases": self.biases,
            "weight_velocity": self._weight_velocity,
            "bias_velocity": self._bias_velocity,
        }

    def step(self, images: np.ndarray, labels: np.ndarray, lrs: np.ndarray) -> None:
        """Take one step of SGD with momentum on the features (B, D) of a batch, with rates `lrs` (C * L,)."""
        logits = images @ self.weights
        logits += self.biases
        self._to_gradient(logits, labels, self._num_classes)
        np.matmul(images.T, logits, out=self._gradient)
        self._weight_velocity *= self._momentum
        self._weight_velocity += self._gradient
        np.multiply(self._weight_velocity, lrs, out=self._gradient)
        self.weights -= self._gradient
        self._bias_velocity *= self._momentum
        self._bias_velocity += logits.sum(axis=0)
        self.biases -= lrs * self._bias_velocity


def _to_logit_gradient(logits: np.ndarray, labels: np.ndarray, num_classes: int) -> None:
    """Turn logits (B, C * L) into the gradient of every classifier's mean cross-entropy, in place."""
    logits = logits.reshape(len(logits), num_classes, -1)
    block = max(1, SOFTMAX_BYTES // logits[0].nbytes)
    for first in range(0, len(logits), block):
        part = logits[first : first + block]
        part -= part.max(axis=1, keepdims=True)
        np.exp(part, out=part)
        part /= part.sum(axis=1, keepdims=True)
        part[np.arange(len(part)), labels[first : first + block]] -= 1
    logits /= len(logits)


def _to_binary_gradient(logits: np.ndarray, labels: np.ndarray, num_classes: int) -> None:
    """The same for the sum of each class's binary cross-entropy, for labels (B, C) of 0 and 1."""
    logits = logits.reshape(len(logits), num_classes, -1)
    expit(logits, out=logits)
    logits -= labels[:, :, None]
    logits /= len(logits)


def rate_scores(sweep: LinearSweep, features: np.ndarray | FeatureRows) -> Iterator[np.ndarray]:
    """Logits (N, C) float32 of every rate, one rate after another."""
    num_rates = sweep.weights.shape[2]
    group = max(1, SCORE_BYTES // (4 * features.shape[0] * sweep.weights.shape[1]))
    for first in range(0, num_rates, group):
        rates = range(first, min(num_rates, first + group))
        weights = np.concatenate([sweep.weights[:, :, rate] for rate in rates], axis=1)
        found = np.empty((features.shape[0], weights.shape[1]), np.float32)
        block = max(1, EVALUATION_BYTES // (4 * max(weights.shape)))
        with np.errstate(all="ignore"):
            for start in range(0, len(found), block):
                rows = slice(start, start + block)
                found[rows] = features[rows] @ weights
            for rate, logits in zip(rates, np.split(found, len(rates), axis=1), strict=True):
                yield logits + sweep.biases[:, rate]
