"""What tests share: generators, the sample data where it is present, and a started Jittor."""

import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache import cache_root

ROOT = Path(__file__).resolve().parent.parent

# Side by side (pytest -n), each process gets a cache and a core of its own: Jittor locks its cache while it
# compiles, and OpenMP's threads spin while they wait for one that another process keeps from its core.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["HSSL_CACHE"] = str(cache_root() / worker)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed, fresh for each test."""
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """Folder of real sample data: $HSSL_SAMPLE_DATA, else shared/data beside the project."""
    folder = Path(os.environ.get("HSSL_SAMPLE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no sample data: {folder} is not a folder (set HSSL_SAMPLE_DATA)")
    return folder


@pytest.fixture(scope="session")
def jt():
    """The jittor module, started on the processor, or on what $HSSL_TEST_DEVICE names."""
    from pipeline.start_jittor import start

    start(os.environ.get("HSSL_TEST_DEVICE", "cpu"))
    import jittor

    return jittor
