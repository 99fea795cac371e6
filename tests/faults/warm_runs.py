"""The client of `warm_server.py`: runs of doit as processes that can be waited for and signalled."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

SERVER = Path(__file__).with_name("warm_server.py")


class WarmRuns:
    """Runs in one project's folder.

    Args:
        folder: the project's.
        library: loaded before the C library.
        environment: of the server, with the mark of the project's processes.

    Attributes:
        pid: of the server, which is not a run.
    """

    def __init__(self, folder: Path, library: Path, environment: dict[str, str]):
        self._socket, other = socket.socketpair()
        self._server = subprocess.Popen(
            [sys.executable, str(SERVER), str(other.fileno())], cwd=folder, pass_fds=(other.fileno(),),
            env=environment | {"LD_PRELOAD": str(library)}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        other.close()
        self.pid, self._unread = self._server.pid, b""
        self._statuses: dict[int, int] = {}

    def start(self, arguments: list[str], environment: dict[str, str]) -> "WarmRun":
        """Start `python -m <arguments>`."""
        output = tempfile.TemporaryFile()  # noqa: SIM115  closed by `WarmRun.wait`
        message = json.dumps({"arguments": arguments, "environment": environment}).encode()
        socket.send_fds(self._socket, [message], [output.fileno()])
        while not (started := self._read(None)):
            pass
        return WarmRun(self, started, output)

    def status(self, pid: int, timeout: float | None) -> int | None:
        """Exit code of a run, as in `Popen`; None if it has not ended within the timeout."""
        end = None if timeout is None else time.monotonic() + timeout
        while pid not in self._statuses:
            left = None if end is None else max(0.0, end - time.monotonic())
            known = len(self._statuses)
            self._read(left)
            if left == 0 and len(self._statuses) == known:
                return None
        return os.waitstatus_to_exitcode(self._statuses[pid])

    def close(self) -> None:
        """End the server."""
        self._socket.close()
        self._server.wait()

    def _read(self, timeout: float | None) -> int | None:
        """Read one line; return the number of a run that has started."""
        self._socket.settimeout(timeout)
        while b"\n" not in self._unread:
            try:
                content = self._socket.recv(4096)
            except (TimeoutError, BlockingIOError):
                return None
            if not content:
                raise RuntimeError("the server of warm runs has ended")
            self._unread += content
        line, _, self._unread = self._unread.partition(b"\n")
        what, pid, *status = line.decode().split()
        if what == "started":
            self._statuses.pop(int(pid), None)  # of an earlier process with the same number
            return int(pid)
        self._statuses[int(pid)] = int(status[0])
        return None


class WarmRun:
    """A run, with the part of `subprocess.Popen` that tests use.

    Attributes:
        returncode: as `Popen` has it, once `wait` has returned.
        output: all that it printed, likewise.
    """

    def __init__(self, runs: WarmRuns, pid: int, output: BinaryIO):
        self._runs, self.pid, self._output = runs, pid, output
        self.returncode: int | None = None
        self.output = ""

    def wait(self, timeout: float) -> int:
        """The exit code.

        Raises:
            TimeoutExpired: as `Popen` does.
        """
        code = self._runs.status(self.pid, timeout)
        if code is None:
            raise subprocess.TimeoutExpired("doit", timeout)
        if self.returncode is None:
            with self._output:
                self._output.seek(0)
                self.output = self._output.read().decode(errors="replace")
            self.returncode = code
        return code

    def send_signal(self, number: int) -> None:
        """Unless it is known to have ended."""
        if self._runs.status(self.pid, 0) is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """With SIGKILL."""
        self.send_signal(signal.SIGKILL)
