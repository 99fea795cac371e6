"""The linear probe's sweep over learning rates: all rates at once, and one after the other."""

import math
import time
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from benchmarks.counting import SWEEP_SIZES
from benchmarks.resident import resident_mib
from pipeline.evaluate.feature_rows import FeatureRows
from pipeline.evaluate.linear_probe import INIT_STD, LR_REFERENCE_BATCH, train_sweep
from pipeline.evaluate.probes.settings import LinearConfig


class _Sweep(ABC):
    """Checks norms of the weights at low rates only, as at high rates the programs diverge differently."""

    def __init__(self, parameters: dict, folder: Path):
        self.extra = {"start_mib": resident_mib()}
        self.sizes = SWEEP_SIZES | parameters
        rng = np.random.default_rng(0)
        shape = (self.sizes["images"], self.sizes["channels"])
        self.features = rng.standard_normal(shape, np.float32)
        self.labels = rng.integers(self.sizes["classes"], size=shape[0])
        self.config = LinearConfig(epochs=self.sizes["epochs"])
        few = slice(0, 2 * self.config.batch_size)
        weights = self.sweep(self.features[few], self.labels[few])
        self.check = {
            f"weights at rate {self.config.base_lrs[index]:g}": float(np.linalg.norm(weights[:, :, index]))
            for index in (0, 10, 20)
        }

    @abstractmethod
    def sweep(self, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Weights (D, C, L)."""

    def repeat(self) -> float:
        """Seconds of a sweep."""
        started = time.perf_counter()
        self.sweep(self.features, self.labels)
        return time.perf_counter() - started


class OurSweep(_Sweep):
    """`pipeline.evaluate.linear_probe`."""

    def sweep(self, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        rng, classes = np.random.default_rng(1), self.sizes["classes"]
        return train_sweep(features, labels, self.config, num_classes=classes, rng=rng).weights


class DiskSweep(OurSweep):
    """`OurSweep` with features that are read from a file batch by batch."""

    def __init__(self, parameters: dict, folder: Path):
        super().__init__(parameters, folder)
        np.save(folder / "features.npy", self.features)
        self.features = FeatureRows((np.load(folder / "features.npy", mmap_mode="r"),))


class SweepByRate(_Sweep):
    """One classifier per rate, in straightforward NumPy: softmax, SGD with momentum, cosine schedule."""

    def sweep(self, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            trained = [self._classifier(features, labels, lr) for lr in self.config.base_lrs]
        return np.stack(trained, axis=2)

    def _classifier(self, features: np.ndarray, labels: np.ndarray, base_lr: float) -> np.ndarray:
        rng, config = np.random.default_rng(1), self.config
        size = (features.shape[1], self.sizes["classes"])
        weights = rng.normal(0, INIT_STD, size).astype(np.float32)
        biases = np.zeros(size[1], np.float32)
        velocity, bias_velocity = np.zeros_like(weights), np.zeros_like(biases)
        batch_size = min(config.batch_size, len(features))
        for epoch in range(config.epochs):
            lr = np.float32(base_lr * batch_size / LR_REFERENCE_BATCH)
            lr *= np.float32((1 + math.cos(math.pi * epoch / config.epochs)) / 2)
            order = rng.permutation(len(features))
            for first in range(0, len(features), batch_size):
                rows = order[first : first + batch_size]
                images = features[rows]
                logits = images @ weights + biases
                logits -= logits.max(axis=1, keepdims=True)
                gradient = np.exp(logits)
                gradient /= gradient.sum(axis=1, keepdims=True)
                gradient[np.arange(len(rows)), labels[rows]] -= 1
                gradient /= len(rows)
                velocity = config.momentum * velocity + images.T @ gradient
                bias_velocity = config.momentum * bias_velocity + gradient.sum(axis=0)
                weights -= lr * velocity
                biases -= lr * bias_velocity
        return weights
