"""Starts and controls a worker process, see `worker`."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType

from pipeline.runtime.environment import with_threads

_LAST_LINES = 30
_GRACE_SECONDS = 2.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class WorkerFailed(RuntimeError):
    """A program could not be prepared, or ended early; the message ends with its last output."""


class WorkerProcess:
    """A worker process; between requests it waits on its standard input, with idle threads.

    Args:
        name: a key of `benchmarks.programs.PROGRAMS`.
        parameters: of the program, as JSON values.
        folder: shared by the programs of a row.
        root: folder of the packages `benchmarks` and `pipeline`.
        threads: of every numerical library.
        patience: seconds to wait for an answer.
    """

    def __init__(
        self, name: str, parameters: dict, folder: Path, *, root: Path, threads: int, patience: float
    ):
        self.name = name
        self._patience = patience
        self._log = folder / f"{name}-{time.monotonic_ns()}.log"  # both workers may have the same name
        text = json.dumps(parameters | {"threads": threads})
        with open(self._log, "wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", name, text, str(folder)],
                cwd=root,
                env=with_threads(os.environ, threads),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        self._rest = b""
        try:
            answer = self._answer()
        except BaseException:
            self.close()
            raise
        self.check: dict[str, float] = answer["check"]
        self.extra: dict[str, float] = answer["extra"]
        self.peak_rss_mib: float = answer["peak_rss_mib"]

    def repeat(self) -> float:
        """The value of one repeat."""
        answer = self._request("repeat")
        self.peak_rss_mib = answer["peak_rss_mib"]
        return answer["value"]

    def report(self) -> dict:
        """The program's report."""
        return self._request("report")["report"]

    def cpu_seconds(self) -> float:
        """Processor seconds that the process has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def close(self) -> None:
        """End the process and its children."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, request: str) -> dict:
        try:
            self._process.stdin.write(f"{request}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed("it ended") from None
        return self._answer()

    def _answer(self) -> dict:
        deadline = time.monotonic() + self._patience
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise self._failed(f"no answer within {self._patience:.0f} s")
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                raise self._failed("it ended without an answer")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise self._failed(answer["error"])
        return answer

    def _failed(self, what: str) -> WorkerFailed:
        lines = deque(self._log.read_text(errors="replace").splitlines(), maxlen=_LAST_LINES)
        return WorkerFailed("\n".join([f"{self.name}: {what}; it last said:", *lines]))
