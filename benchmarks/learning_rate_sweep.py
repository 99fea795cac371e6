"""The linear probe's sweep over learning rates: all rates at once, and one after the other."""

import math
import os
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


class ColdSweep(DiskSweep):
    """`DiskSweep` from a file that is not in the page cache when a repeat begins.

    `report` returns the MiB of the file, and those that the last repeat had read from the disk.
    """

    def repeat(self) -> float:
        path = self.features.parts[0].filename
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self.mib = os.fstat(stream.fileno()).st_size / 2**20
        before = _mib_from_disk()
        seconds = super().repeat()
        self.mib_from_disk = _mib_from_disk() - before
        return seconds

    def report(self) -> dict[str, float]:
        """MiB."""
        return {"mib": self.mib, "mib_from_disk": self.mib_from_disk}


def _mib_from_disk() -> float:
    """MiB that the storage has read for this process so far, as Linux reports it."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:")) / 2**20


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
