"""Shared by all tests: random generators, the sample data if present, and a started Jittor."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.file_order import slow_files_first

ROOT = Path(__file__).resolve().parent.parent

# Side by side (pytest -n), threads that spin while waiting would keep other processes from their cores.
if os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A shell starts background processes with SIGINT ignored, and so would be what tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of `pytest -m faults`, see docs/reliability.md."""
    group = parser.getgroup("faults")
    group.addoption("--rounds", type=int, default=20, help="how many random histories are played")
    group.addoption("--first-seed", type=int, default=0, help="seed of the first one; the others follow")
    group.addoption("--record", default=None, help="file that gets a line for each trial")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes when all tests run; none for chosen files, so that -s and a debugger work."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and config.option.capture != "no"
    return 2 if whole and len(os.sched_getaffinity(0)) > 1 else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Beside another process, slow files start first; alone, tests run in the order of their names."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items[:] = slow_files_first(items)


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
    from pipeline.runtime.start_jittor import start

    start(os.environ.get("HSSL_TEST_DEVICE", "cpu"))
    import jittor

    return jittor
