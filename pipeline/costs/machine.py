"""What a forecast needs of this machine: its rate of matrix products, and what is already compiled."""

import hashlib
import time
from pathlib import Path

from threadpoolctl import threadpool_limits

from pipeline.runtime.cache import cache_root
from pipeline.runtime.processor import model_and_flags
from pipeline.storage.files import read_json, write_json

RATES = "product_rates.json"
_SIDE = 512  # rows of the square matrices: large enough for the full rate, small enough for many repeats
_SECONDS = 0.1
# A first pretraining compiles about 50 operators; fewer in a cache mean that no experiment has used it.
_OPERATORS_OF_A_RUN = 50


def product_rate(threads: int) -> float:
    """Floating-point operations per second in NumPy's float32 matrix products.

    Other work on the machine makes a measurement slower, never faster. So the fastest one so far counts; it
    is kept in the cache, by processor and number of threads. Without a usable cache it is not kept.
    """
    root, key = _usable_cache(), _key(threads)
    if root is None:
        return _measured(threads)
    kept = _saved_rates(root / RATES)
    fastest = max(_measured(threads), kept.get(key, 0.0))
    if fastest > kept.get(key, 0.0):
        write_json(root / RATES, kept | {key: fastest})
    return fastest


def is_compiled() -> tuple[bool, bool]:
    """Whether the cache of compiled code has Jittor's core, and whether it has the operators of a run."""
    root = _usable_cache()
    if root is None:
        return False, False
    folder = root / "jittor"
    core = any(folder.glob("*/built.json"))
    operators = 0
    for _ in folder.glob("*/.cache/jittor/**/jit/*.so"):
        operators += 1
        if operators == _OPERATORS_OF_A_RUN:
            break
    return core, operators == _OPERATORS_OF_A_RUN


def _usable_cache() -> Path | None:
    """The folder of compiled code, or None: a run without it would refuse to start, a plan need not."""
    try:
        return cache_root()
    except OSError:
        return None


def _measured(threads: int) -> float:
    import numpy as np  # not at the top: every command imports this module, and few measure anything

    left, right = np.ones((2, _SIDE, _SIDE), np.float32)
    fastest, until = np.inf, time.perf_counter() + _SECONDS
    with threadpool_limits(threads, user_api="blas"):
        # At least once, however long this process waits for a core.
        while fastest == np.inf or time.perf_counter() < until:
            started = time.perf_counter()
            left @ right
            fastest = min(fastest, time.perf_counter() - started)
    return 2 * _SIDE**3 / fastest


def _key(threads: int) -> str:
    processor = hashlib.sha256(model_and_flags().encode()).hexdigest()[:16]
    return f"{processor}, {threads} thread(s)"


def _saved_rates(path: Path) -> dict[str, float]:
    """Rates measured earlier, by processor; empty if there are none or the file is not JSON."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}
