"""Times matrix products on a GPU, and checks them against float64 on the processor."""

import statistics
import time
from dataclasses import dataclass

import numpy as np

_SIZE = 8192
_CHECKED_ROWS = 16
_REPEATS = 7
# (name, Jittor's flag for tensor cores, largest relative error). Factors have 24, 11 and 8 significant bits:
# rounding them changes a product by about 2**-24, 2**-11 and 2**-8, to which the sums' rounding adds.
_PRECISIONS = (("float32", 0, 2e-5), ("TF32", 1, 2e-3), ("bfloat16", 0, 2e-2))


@dataclass(frozen=True)
class Product:
    """Speed and error of a product of two square matrices in one precision."""

    precision: str
    tflops: float  # 1e12 operations per second, the median of several
    error: float  # norm of the difference from float64, relative to the norm
    allowed: float

    @property
    def right(self) -> bool:
        """Whether the error is within the precision's bound."""
        return self.error <= self.allowed  # False for NaN


def timed_products(size: int = _SIZE) -> list[Product]:
    """Products of two (size, size) matrices in each precision; Jittor must have been started on a GPU."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    expected = left[:_CHECKED_ROWS].astype(np.float64) @ right.astype(np.float64)
    return [_product(*precision, left, right, expected) for precision in _PRECISIONS]


def _product(
    name: str, tensor_cores: int, allowed: float, left: np.ndarray, right: np.ndarray, expected: np.ndarray
) -> Product:
    import jittor

    before = jittor.flags.use_tensorcore
    jittor.flags.use_tensorcore = tensor_cores
    try:
        factors = [jittor.array(matrix) for matrix in (left, right)]
        if name == "bfloat16":
            factors = [factor.bfloat16() for factor in factors]
        jittor.sync(factors)
        seconds = []
        for _ in range(_REPEATS + 1):  # the first one compiles
            jittor.sync_all(True)
            started = time.perf_counter()
            product = jittor.matmul(*factors)
            product.sync(True)
            seconds.append(time.perf_counter() - started)
        found = product[: len(expected)].float32().numpy().astype(np.float64)
    finally:
        jittor.flags.use_tensorcore = before
    error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    return Product(name, 2 * left.shape[0] ** 3 / statistics.median(seconds[1:]) / 1e12, error, allowed)
