"""Starts stages as forks of a process that has imported their libraries: `template_process.py`.

Python's `multiprocessing.forkserver` does not fit. It takes over doit's environment, where libraries read
their number of threads when they are loaded; it calls a function, where a stage is a program; and it gives
the child no session, output or descriptors.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock

_PROGRAM = Path(__file__).with_name("template_process.py")
_ROOM = 1000 * " "  # argument of the program, in place of which `ps` shows the words of a stage
_DYING_SECONDS = 10.0


class TemplateEnded(Exception):
    """The process that a stage was forked from has ended before it, and the stage with it."""


class StageTemplate:
    """Starts stages by forking; its process starts with the first of them. Safe to call from several threads.

    It ends with this object, and when this process ends for any reason.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._serves: tuple[Path, dict[str, str]] | None = None  # folder and environment
        self._requests: socket.socket | None = None
        self._ending = Event()

    def start(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: dict[str, str],
        output: int,
        keep_open: Sequence[int],
    ) -> "ForkedStage | None":
        """Start `python -m ...` in a session of its own, with no input.

        Args:
            command: the words, `python` first.
            cwd: folder.
            environment: all of its variables.
            output: descriptor for standard output and error.
            keep_open: further descriptors that it keeps open.

        Returns:
            The stage; None if it has to be started in another way: its folder or environment is another than
            that of the first stage, or the process to fork from cannot start or has ended.
        """
        with self._lock:
            if self._serves is None:
                self._serves = (cwd, environment)
                with suppress(OSError):
                    self._begin()
        if self._requests is None or self._serves != (cwd, environment):
            return None
        ours, theirs = _pair()
        try:
            with theirs:
                words = json.dumps(command[2:]).encode()
                socket.send_fds(self._requests, [words], [theirs.fileno(), output, *keep_open])
            return ForkedStage(int(ours.recv(64)), ours, self._ending)
        except (OSError, ValueError):
            ours.close()
            return None
        except BaseException:
            ours.close()  # Ctrl-C, perhaps after the fork: who asks no more wants no stage
            raise

    def _begin(self) -> None:
        cwd, environment = self._serves
        os.close(os.pidfd_open(os.getpid()))  # Linux before 5.3 has none
        ours, theirs = _pair()
        with theirs:
            try:
                process = subprocess.Popen(
                    [sys.executable, str(_PROGRAM), str(theirs.fileno()), _ROOM],
                    cwd=cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for doit, which ends the stages
                    pass_fds=(theirs.fileno(),),
                )
            except OSError:
                ours.close()
                raise
        self._requests = ours
        self._end = weakref.finalize(self, _end, process, ours, self._ending)


class ForkedStage:
    """A stage that runs, with the part of `subprocess.Popen` that those need who start stages.

    Attributes:
        pid: its number, which is that of its group.
        returncode: as `Popen` has it.
    """

    def __init__(self, pid: int, answers: socket.socket, ending: Event):
        self.pid, self._answers, self._ending = pid, answers, ending
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs.

        Raises:
            TemplateEnded: nobody knows the code. That is said once; later, and where this process itself
                ends the template, it counts as ended by SIGKILL.
        """
        return self._look(socket.MSG_DONTWAIT)

    def wait(self) -> int:
        """Wait for the end; the exit code.

        Raises:
            TemplateEnded: as `poll`.
        """
        return self._look(0)

    def send_signal(self, number: int) -> None:
        """Unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _look(self, how: int) -> int | None:
        if self.returncode is not None:
            return self.returncode
        try:
            status = self._answers.recv(64, how)
        except BlockingIOError:
            return None
        self._answers.close()
        self.returncode = os.waitstatus_to_exitcode(int(status)) if status else -signal.SIGKILL
        if not status:
            self._wait_for_death()
            if not self._ending.is_set():
                raise TemplateEnded
        return self.returncode

    def _wait_for_death(self) -> None:
        """Linux kills a stage when its template ends; nobody may begin again beside it."""
        with suppress(ProcessLookupError):
            process = os.pidfd_open(self.pid)
            os.killpg(self.pid, signal.SIGKILL)
            select.select([process], [], [], _DYING_SECONDS)
            os.close(process)


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # messages, and an end of them


def _end(process: subprocess.Popen, requests: socket.socket, ending: Event) -> None:
    ending.set()  # at exit, threads may still wait for stages: those are not to begin again
    requests.close()
    process.kill()  # it may be importing; it holds nothing that could be lost
    process.wait()
