"""Linear classifiers on frozen features: one per learning rate, all trained at once.

A step is compiled (`sweep_step`); where nothing can be compiled, it is NumPy's.

Shapes: N images, B images of a batch, D channels, C classes, L learning rates, l of them that take a step
together: their weights form one matrix, so a step is two large products, and their logits fit into a core's
cache. The bias is the weight of a channel that is 1 in every image.
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
from pipeline.evaluate.sweep_step import compiled_step

LR_REFERENCE_BATCH = 256  # images; base learning rates are stated for this batch size
INIT_STD = 0.01
HELD_BYTES = 256 * 2**20  # features to train on that are kept in memory: every epoch reads all
SCORE_BYTES = 256 * 2**20  # of all images by some rates, in memory at once
EVALUATION_BYTES = 32 * 2**20  # logits in memory at once
LOGIT_BYTES = 2**20  # logits of the rates that take a step together; they fit into a core's cache


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
    peak_lrs = np.array(config.base_lrs, np.float32) * np.float32(batch_size / LR_REFERENCE_BATCH)
    start = rng.normal(0, INIT_STD, (num_channels, num_classes)).astype(np.float32)
    classifiers = _Optimiser(start, len(peak_lrs), config.momentum, labels.ndim)
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
    by_channel = np.ascontiguousarray(classifiers.weights.transpose(2, 1, 0))
    return LinearSweep(config.base_lrs, by_channel[:-1], by_channel[-1])


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


class _Scratch:
    """Arrays whose memory is used again: new memory in every step, page by page, took a sixth of its time."""

    def __init__(self) -> None:
        self._held: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """An array of float32 with any values; the last one of this name is lost."""
        size = math.prod(shape)
        if name not in self._held or self._held[name].size < size:
            self._held[name] = np.empty(size, np.float32)
        return self._held[name][:size].reshape(shape)


# Images (B, D + 1), what labels add to the gradient (C, D + 1), weights (l, C, D + 1) -> gradient, likewise.
ToGradient = Callable[[np.ndarray, np.ndarray, np.ndarray, _Scratch], np.ndarray]


class _Optimiser:
    """Weights and velocities of all classifiers, updated in place; a class's last weight is its bias."""

    def __init__(self, start: np.ndarray, num_rates: int, momentum: float, label_axes: int) -> None:
        num_channels, num_classes = start.shape
        self.weights = np.zeros((num_rates, num_classes, num_channels + 1), np.float32)
        self.weights[:, :, :-1] = start.T
        self._velocity = np.zeros_like(self.weights)
        self._momentum = momentum
        self._compiled, self._to_gradient = compiled_step(label_axes), _GRADIENTS[label_axes]
        self._scratch = _Scratch()

    @property
    def state(self) -> dict[str, np.ndarray]:
        """All arrays that a step changes, (L, C, D + 1), not copied."""
        return {"weights": self.weights, "velocity": self._velocity}

    def step(self, features: np.ndarray, labels: np.ndarray, lrs: np.ndarray) -> None:
        """Take one step of SGD with momentum on the features (B, D) of a batch, with rates `lrs` (L,)."""
        if self._compiled is not None:
            self._compiled(features, labels, lrs, self._momentum, self.weights, self._velocity)
        else:
            self._step(features, labels, lrs)

    def _step(self, features: np.ndarray, labels: np.ndarray, lrs: np.ndarray) -> None:
        num_rates, num_classes, _ = self.weights.shape
        images = self._scratch.array("images", (len(features), self.weights.shape[2]))
        images[:, :-1] = features
        images[:, -1] = 1
        if labels.ndim == 1:
            labels = np.arange(num_classes) == labels[:, None]
        labelled = labels.T.astype(np.float32) @ images
        labelled /= len(images)
        num_groups = min(num_rates, -(-4 * num_rates * num_classes * len(images) // LOGIT_BYTES))
        together = -(-num_rates // num_groups)
        for first in range(0, num_rates, together):
            rates = slice(first, first + together)
            weights, velocity = self.weights[rates], self._velocity[rates]
            gradient = self._to_gradient(images, labelled, weights, self._scratch)
            velocity *= self._momentum
            velocity += gradient
            np.multiply(velocity, lrs[rates, None, None], out=gradient)
            weights -= gradient


def _cross_entropy_gradient(
    images: np.ndarray, labelled: np.ndarray, weights: np.ndarray, scratch: _Scratch
) -> np.ndarray:
    """The gradient of the mean cross-entropy of every classifier.

    Only differences of logits matter, and the gradients of all classes add up to 0: the last class takes
    part in neither product.
    """
    by_class = weights.swapaxes(0, 1)
    num_classes, num_rates, width = by_class.shape
    relative = scratch.array("relative", (num_classes - 1, num_rates, width))
    np.subtract(by_class[:-1], by_class[-1], out=relative)
    shares = scratch.array("shares", (num_classes, num_rates, len(images)))
    np.matmul(_matrix(relative), images.T, out=_matrix(shares[:-1]))
    shares[-1] = 0
    shares -= shares.max(axis=0)
    np.exp(shares, out=shares)
    shares *= np.float32(1 / len(images)) / shares.sum(axis=0)
    gradient = scratch.array("gradient", by_class.shape)
    np.matmul(_matrix(shares[:-1]), images, out=_matrix(gradient[:-1]))
    gradient[:-1] -= labelled[:-1, None]
    np.negative(gradient[:-1].sum(axis=0), out=gradient[-1])
    return gradient.swapaxes(0, 1)


def _binary_gradient(
    images: np.ndarray, labelled: np.ndarray, weights: np.ndarray, scratch: _Scratch
) -> np.ndarray:
    """The same for the sum of each class's binary cross-entropy."""
    shares = scratch.array("shares", (len(weights) * len(labelled), len(images)))
    np.matmul(_matrix(weights), images.T, out=shares)
    expit(shares, out=shares)
    shares /= len(images)
    gradient = scratch.array("gradient", weights.shape)
    np.matmul(shares, images, out=_matrix(gradient))
    gradient -= labelled
    return gradient


_GRADIENTS: dict[int, ToGradient] = {1: _cross_entropy_gradient, 2: _binary_gradient}  # by axes of the labels


def _matrix(array: np.ndarray) -> np.ndarray:
    """All axes but the last as one; a view."""
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


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
