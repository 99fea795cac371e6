"""What a search in a bank on disk holds of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.programs import PROGRAMS

ROOT = Path(__file__).resolve().parents[2]
BANK_MIB = 80_000 * 768 * 4 / 2**20


@pytest.mark.slow
def test_a_bank_on_disk_is_never_held_whole():
    options = ("bank=80000", "channels=768", "queries=100", "k=20", "dtype=float32")
    command = [sys.executable, "-m", "benchmarks.processor_time", "disk-search", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, peak = map(int, re.search(r"(\d+) MiB before, at most (\d+) MiB", done.stdout).groups())
    assert peak - before < BANK_MIB / 2


def test_faiss_finds_the_same_in_the_same_bank(tmp_path):
    pytest.importorskip("faiss")
    sizes = {"bank": 3000, "channels": 32, "queries": 20, "k": 5, "dtype": "float32", "threads": 1}
    program = PROGRAMS["faiss-disk-search"].load(sizes, tmp_path)
    assert program.repeat() > 0
    found = program.report()
    assert found["common_neighbours"] == 1
    assert found["largest_difference"] < 1e-5


def test_a_sweep_from_a_file_that_is_not_cached_reads_it_from_the_disk(tmp_path):
    sizes = {"images": 4096, "channels": 64, "classes": 3, "epochs": 1, "threads": 1}
    program = PROGRAMS["cold-sweep"].load(sizes, tmp_path)
    assert program.repeat() > 0
    found = program.report()
    assert found["mib"] > 1
    assert found["mib_from_disk"] >= 0  # 0 where the folder is in memory
