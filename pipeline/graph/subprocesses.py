"""Runs a stage as a subprocess, with live output and a log, and leaves no process behind."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline.graph.compile_notes import CompileNotes
from pipeline.graph.forked_stages import ForkedStage, StageTemplate, TemplateEnded
from pipeline.graph.stage_command import StageCommand
from pipeline.runtime.environment import with_threads
from pipeline.storage.artifacts import JOB, LIVE, LOG, STAMP
from pipeline.storage.files import partial_of

_GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL
_POLL_SECONDS = 0.2
_LIVE_SECONDS = 1.0  # between two states of the bar in the file for other processes
# Reads the group's number, then waits for the end of its input, which comes when doit ends for any reason.
_WATCHER = 'read -r group || exit 0; read -r _; kill -s KILL -- "-$group" 2>/dev/null'


class StageFailed(RuntimeError):
    """A stage ended without its stamp; the message names its log.

    Args:
        message: what happened.
        ended_by: number of the signal that ended the stage, if one did.
    """

    def __init__(self, message: str, ended_by: int | None = None):
        super().__init__(message)
        self.ended_by = ended_by


def run_stage(
    stage: StageCommand,
    *,
    passed_on: tuple[int, ...] = (),
    keep_open: tuple[int, ...] = (),
    variables: Mapping[str, str] | None = None,
    template: StageTemplate | None = None,
) -> None:
    """Run a stage as a process of this machine until its stamp exists.

    Jittor may end a process with exit code 0 and expect to be restarted. So a stage that ends with exit code
    0 but without a stamp is run once more. So is one that was ended with its template.

    Args:
        passed_on: signals to this process that are passed on to the stage.
        keep_open: further descriptors that the stage keeps open.
        variables: environment of the stage, instead of this process's.
        template: forks the stage if it can.

    Raises:
        StageFailed: the stage failed, or ended without a stamp twice.
    """
    output, lock = stage.output, () if stage.lock is None else (stage.lock,)
    command = [sys.executable, "-m", stage.module, str(output / JOB)]
    environment = with_threads(variables or os.environ, stage.threads or len(os.sched_getaffinity(0)))
    environment["PYTHONUNBUFFERED"] = "1"
    if not _in_terminal():
        environment.setdefault("TQDM_MININTERVAL", "10")  # seconds; in a file, each state of a bar is a line
    for attempt in ("first", "second"):
        with _Log(output / LOG, append=attempt == "second") as log:
            logged = CompileNotes(log.write, moving=True)
            shown = CompileNotes(stage.show, moving=_in_terminal())

            def pass_on(chunk: bytes, both: tuple[CompileNotes, ...] = (logged, shown)) -> None:
                for notes in both:
                    notes(chunk)

            run = partial(
                run_in_group,
                command,
                cwd=stage.cwd,
                environment=environment,
                keep_open=(*lock, *keep_open),
                show=pass_on,
                margin=stage.margin,
                passed_on=passed_on,
            )
            try:
                code = run(template=template)
            except TemplateEnded:
                pass_on(b"\nthe process that this stage was forked from has ended; the stage starts again\n")
                code = run()
            logged.close()
            shown.close()
        if code:
            ended = (
                f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
            )
            message = f"{stage.module} {ended}; its output is in {output / LOG}"
            raise StageFailed(message, ended_by=-code if code < 0 else None)
        if (output / STAMP).is_file():
            return
    raise StageFailed(
        f"{stage.module} ended twice with exit code 0 but no {STAMP}; its output is in {output / LOG}"
    )


def run_in_group(
    command: list[str],
    *,
    cwd: Path,
    environment: dict[str, str],
    keep_open: tuple[int, ...] = (),
    show: Callable[[bytes], None],
    margin: int = 0,
    passed_on: tuple[int, ...] = (),
    template: StageTemplate | None = None,
) -> int:
    """Run a command in its own session and return its exit code; pass its output on as it arrives.

    Whatever ends this call, even an exception raised by a signal handler, ends the whole process group first.
    If this process is killed, a watcher kills the group. Signals to this process in `passed_on` are sent to
    the command, but not to its children. With a template the command is `python -m ...`.

    Raises:
        TemplateEnded: the template has ended, and the command with it.
    """
    reading, writing = _channel(margin)
    process: subprocess.Popen | ForkedStage | None = None
    try:
        if template is not None:
            process = template.start(
                command, cwd=cwd, environment=environment, output=writing, keep_open=keep_open
            )
        if process is None:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
                pass_fds=keep_open,
            )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        with _watched(process.pid), _passing_on(passed_on, process):
            try:
                _copy(process, reading, show)
                return process.wait()
            finally:
                _end_group(process)
    finally:
        os.close(reading)


def end_on_signal() -> None:
    """Turn SIGTERM and SIGHUP into SystemExit, so that `finally` blocks run and the stage is ended.

    For Ctrl-C, which already raises KeyboardInterrupt, a line is shown instead of a traceback.
    """
    show_traceback = sys.excepthook

    def show(kind: type[BaseException], *rest: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print("\nstopped; the same command goes on from here", file=sys.stderr)
        else:
            show_traceback(kind, *rest)

    sys.excepthook = show

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP; that stays so.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def end_forked_at_once() -> None:
    """Call after `end_on_signal` where Jittor runs: its compiling workers end at once at a signal.

    A worker that gets a signal just before it waits for work would only set a flag, and keep waiting; the
    pool, which waits for its workers at exit, would never end either.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        os.register_at_fork(after_in_child=partial(signal.signal, number, signal.SIG_DFL))


def _in_terminal() -> bool:
    return os.isatty(1)


def _channel(margin: int) -> tuple[int, int]:
    """Both ends of a pipe, or of a pseudo-terminal if standard output is one, so that progress bars move.

    That terminal is narrower by `margin` columns.
    """
    if not _in_terminal():
        return os.pipe()
    reading, writing = pty.openpty()
    attributes = termios.tcgetattr(writing)
    attributes[1] &= ~termios.OPOST  # the real terminal translates line ends, once
    termios.tcsetattr(writing, termios.TCSANOW, attributes)
    with contextlib.suppress(OSError):
        rows, columns, *pixels = struct.unpack("4H", fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8)))
        size = struct.pack("4H", rows, max(0, columns - margin), *pixels)
        fcntl.ioctl(writing, termios.TIOCSWINSZ, size)
    return reading, writing


def _copy(process: subprocess.Popen | ForkedStage, reading: int, show: Callable[[bytes], None]) -> None:
    """Pass output on until it ends, or until the process has ended and nothing is left to read."""
    while True:
        ended = process.poll() is not None
        ready, _, _ = select.select([reading], [], [], 0 if ended else _POLL_SECONDS)
        if ready:
            try:
                chunk = os.read(reading, 65536)
            except OSError:  # a pseudo-terminal's end of file
                return
            if not chunk:
                return
            show(chunk)
        elif ended:
            return


@contextlib.contextmanager
def _watched(group: int) -> Iterator[None]:
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", _WATCHER],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        watcher.stdin.write(f"{group}\n".encode())
        watcher.stdin.flush()
        yield
    finally:
        # Closing makes the watcher kill what is left of the group, even if ending it was interrupted.
        with contextlib.suppress(BrokenPipeError):
            watcher.stdin.close()
        watcher.wait()


@contextlib.contextmanager
def _passing_on(signals: tuple[int, ...], process: subprocess.Popen | ForkedStage) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in signals}
    for number in signals:
        signal.signal(number, lambda number, frame: process.send_signal(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_group(process: subprocess.Popen | ForkedStage) -> None:
    """Send SIGTERM to the process group and later SIGKILL, also to children that outlive their parent."""
    deadline = time.monotonic() + _GRACE_SECONDS
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Log:
    """Copies output to a file; of a line redrawn by carriage returns, only the last state is kept.

    While the stage runs, `doit run watch` reads the line's state from a file beside the log.
    """

    def __init__(self, path: Path, *, append: bool):
        self._stream = open(path, "ab" if append else "wb")  # noqa: SIM115 - closed by __exit__
        self._line = b""
        self._live, self._live_written = path.with_name(LIVE), 0.0

    def __enter__(self) -> "_Log":
        return self

    def write(self, chunk: bytes) -> None:
        *lines, rest = (self._line + chunk).split(b"\n")
        for line in lines:
            self._stream.write(_last_state(line) + b"\n")
        self._line = rest[rest.rstrip(b"\r").rfind(b"\r") + 1 :]  # a bar redraws one line for hours
        self._stream.flush()
        if time.monotonic() - self._live_written >= _LIVE_SECONDS:
            self._live_written = time.monotonic()
            partial = partial_of(self._live)
            # Neither waits for the disk nor fails for a bar that perhaps nobody watches.
            with contextlib.suppress(OSError):
                partial.write_bytes(_last_state(self._line))
                os.replace(partial, self._live)

    def __exit__(self, *exception: object) -> None:
        self._stream.write(_last_state(self._line) + b"\n" if self._line else b"")
        self._stream.close()
        self._live.unlink(missing_ok=True)


def _last_state(line: bytes) -> bytes:
    states = [state for state in line.split(b"\r") if state]
    return states[-1] if states else b""
