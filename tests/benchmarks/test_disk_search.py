"""What a search in a bank on disk holds of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANK_MIB = 80_000 * 768 * 4 / 2**20


@pytest.mark.slow
def test_a_bank_on_disk_is_never_held_whole():
    options = ("bank=80000", "channels=768", "queries=100", "k=20", "dtype=float32")
    command = [sys.executable, "-m", "benchmarks.processor_time", "disk-search", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, peak = map(int, re.search(r"(\d+) MiB before, at most (\d+) MiB", done.stdout).groups())
    assert peak - before < BANK_MIB / 2
