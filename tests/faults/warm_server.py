"""Starts runs of a project by forking a process that has already imported their modules.

Most of the time of a run of toy stages is Python's imports. doit and each stage that it starts are still
separate processes, stages in their own sessions; only the modules that `exec` would import are already
loaded.

`python warm_server.py SOCKET-DESCRIPTOR`, in the project's folder, with `failing_calls.so` loaded before the
C library. A request is JSON with "arguments" and "environment", and a descriptor of a file for output; the
answer is a line `started PID`, and when it has ended `ended PID STATUS`, a status of `os.waitpid`.
"""

import atexit
import ctypes
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
import types
from contextlib import suppress


def main(descriptor: int) -> None:
    """Serve until the other end closes."""
    sys.path[0] = os.getcwd()  # as `python -m` has it: the project's own copy of the library
    _import_all()
    requests = socket.socket(fileno=descriptor)
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([requests, waking], [], [])
        if waking in ready:
            os.read(waking, 4096)
            _tell_ended(requests)
        if requests in ready:
            message, files, _, _ = socket.recv_fds(requests, 1 << 20, 1)
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for each in (descriptor, waking, woken):
                    os.close(each)
                _become_doit(json.loads(message), files[0])
            os.close(files[0])
            requests.sendall(f"started {pid}\n".encode())


def _import_all() -> None:
    """Import everything that doit and toy stages import, except Jittor, which they never do."""
    import doit.doit_cmd  # noqa: F401
    import numpy  # noqa: F401
    import safetensors.numpy  # noqa: F401

    for name in (
        "config.duplicates", "config.report", "config.studies", "config.views", "config.weights",
        "doctor.checks", "evaluate.probes.settings", "graph.doit_tasks", "graph.executors",
        "graph.experiment_graph", "graph.plan", "graph.programs", "graph.publishing", "graph.reporter",
        "graph.stage_runner", "graph.sweep", "graph.verification", "report.tables",
        "training.checkpoint_files", "training.end_warning", "training.metrics_log",
    ):  # fmt: skip
        __import__(f"pipeline.{name}")


def _tell_ended(requests: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        requests.sendall(f"ended {pid} {status}\n".encode())


def _become_doit(request: dict, output: int) -> None:
    from pipeline.graph import subprocesses
    from pipeline.graph.forked_stages import StageTemplate

    StageTemplate.start = lambda *given, **named: None  # toy stages are forked from this process already

    def popen(command, **how):
        stage = command[:2] == [sys.executable, "-m"]
        return ForkedStage(command, **how) if stage else subprocess.Popen(command, **how)

    kept = {"PIPE": subprocess.PIPE, "DEVNULL": subprocess.DEVNULL}
    subprocesses.subprocess = types.SimpleNamespace(Popen=popen, **kept)
    nothing = os.open(os.devnull, os.O_RDWR)
    _become(request["arguments"], request["environment"], (nothing, output, output), {0, 1, 2})


class ForkedStage:
    """Replaces `subprocess.Popen` for doit: a separate process, forked without exec."""

    def __init__(self, command, *, cwd, env, stdin, stdout, stderr, start_new_session, pass_fds):
        assert start_new_session
        assert stdout == stderr
        self.returncode = None
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.chdir(cwd)
            nothing = os.open(os.devnull, os.O_RDWR)
            _become(command[2:], env, (nothing, stdout, stderr), {0, 1, 2, *pass_fds})

    def poll(self) -> int | None:
        """The exit code, as that of Popen, or None."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        return self._wait(0)

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _wait(self, how: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, how)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def _become(
    arguments: list[str], environment: dict[str, str], streams: tuple[int, int, int], kept: set[int]
) -> None:
    """Go on as `python -m <arguments>` would begin, and end as it ends."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        atexit._clear()
        sys.excepthook = sys.__excepthook__
        for target, source in enumerate(streams):
            os.dup2(source, target)
        # Not `os.closerange(0, 0)`: it closes all descriptors.
        for each in os.listdir("/proc/self/fd"):
            if int(each) not in kept:
                with suppress(OSError):
                    os.close(int(each))
        os.environ.clear()
        os.environ.update(environment)
        ctypes.CDLL(None).failing_calls_start()  # reads the environment again
        sys.stdout, sys.stderr = (open(each, "w", buffering=1, closefd=False) for each in (1, 2))  # noqa: SIM115
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
        sys.argv = arguments
        code = _ran(arguments[0])
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _ran(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        print(leaving.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    main(int(sys.argv[1]))
