"""In processes of their own, whose heap holds nothing else."""

import platform
import subprocess
import sys

import pytest

# Frees arrays of 8 MiB that lie below one that stays.
PROGRAM = """
import sys
import numpy as np
from benchmarks.resident import resident_mib
from pipeline.runtime.freed_memory import return_freed_memory

np.ones(30 << 17)  # 30 MiB, freed at once: from now on the C library would keep what is smaller
arrays = [np.ones(8 << 17) for _ in range(9)]
kept = arrays.pop()
before = resident_mib()
arrays.clear()
if sys.argv[1] == "returned":
    return_freed_memory()
print(before - resident_mib())
"""


def freed_mib(how: str) -> float:
    """Resident memory that goes when 64 MiB are freed."""
    command = [sys.executable, "-c", PROGRAM, how]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a function of glibc")
def test_freed_arrays_go_back_to_the_system():
    assert freed_mib("as ever") < 16
    assert freed_mib("returned") > 56
