"""Runs Python code that may crash in a child process, with its output in a log."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
_SECONDS_BETWEEN_REPORTS = 15.0
_GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL


def run_quietly(
    code: str,
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    keep_open: tuple[int, ...] = (),
    waiting: Callable[[float], None] = lambda seconds: None,
) -> int:
    """Run code in a child process, from the project's root, and return its exit code.

    The child ends when this call does, also by an exception.

    Args:
        code: Python code; it may import the project's packages.
        log: file to which its output is appended.
        environment: the child's environment; None: this process's.
        keep_open: file descriptors that the child inherits.
        waiting: called every 15 s with the seconds so far.
    """
    with open(log, "ab") as output:
        # In this process's group, so that a signal to the group ends the child too.
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=_PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=keep_open,
            env=environment,
        )
    started = time.monotonic()
    try:
        while True:
            try:
                return process.wait(timeout=_SECONDS_BETWEEN_REPORTS)
            except subprocess.TimeoutExpired:
                waiting(time.monotonic() - started)
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
            process.kill()
            process.wait()
