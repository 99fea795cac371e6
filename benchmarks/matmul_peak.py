"""Speed of the fastest matrix product of our kernels on this machine: float32, or bfloat16 on a GPU."""

import statistics
import time
from pathlib import Path

import jittor as jt

from pipeline import kernels

SIDES_OF_SQUARES = (1024, 2048, 3072)
DEVICE_SIDES = (4096, 8192)
_PRODUCTS = 5


class MatmulPeak:
    """A repeat returns GFLOP/s: the best over some sizes of the median of five square products."""

    def __init__(self, parameters: dict, folder: Path):
        kernels.use("fused")
        kernels.use_precision("auto" if jt.flags.use_cuda else "float32")
        sizes = parameters.get("sizes", DEVICE_SIDES if jt.flags.use_cuda else SIDES_OF_SQUARES)
        self.check: dict[str, float] = {}
        self._pairs = [(jt.randn(size, size), jt.randn(size, size)) for size in sizes]
        self.repeat()  # compiles

    def repeat(self) -> float:
        return max(_gflops(left, right) for left, right in self._pairs)


def _gflops(left: jt.Var, right: jt.Var) -> float:
    seconds = []
    for _ in range(_PRODUCTS):
        jt.sync_all(True)
        started = time.perf_counter()
        kernels.linear(left, right, None).sync(True)
        seconds.append(time.perf_counter() - started)
    return 2 * left.shape[0] ** 3 / statistics.median(seconds) / 1e9
