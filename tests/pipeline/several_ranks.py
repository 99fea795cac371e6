"""Runs programs as ranks of one job; tests are skipped if Open MPI is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.runtime.mpi import command_of_ranks, environment_of_ranks, installed_mpi

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 900  # a hang ends the test; a first run compiles Jittor's library for MPI

needs_mpi = pytest.mark.skipif(
    installed_mpi() is None, reason="no Open MPI: pip install -e '.[mpi]' to run several ranks"
)


def run_on_ranks(num_ranks: int, *arguments: str, **variables: str) -> str:
    """Output of `python <arguments>`, run from the project's root as ranks with one thread each.

    Args:
        variables: to set in their environment.
    """
    command = command_of_ranks(installed_mpi(), num_ranks, [sys.executable, *arguments])
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment_of_ranks(1) | {"PYTHONPATH": str(ROOT)} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
