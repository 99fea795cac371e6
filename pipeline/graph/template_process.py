"""The process that stages are forked from: what most of them import is imported here, once.

`forked_stages` starts this file in the folder and with the environment of the stages. Of the project it holds
a few modules that most stages use. Each stage reads the rest when it starts, as a process started for it
alone would; and none is forked when a file of what is held has changed since before it was read.

The first argument is the descriptor of a socket of requests. A request is a message, the words after
`python -m` as JSON, and descriptors: a socket for answers, the stage's output, and what it keeps open. The
answers are the stage's number, from the stage, and when it has ended its status as `os.waitpid` has it. Who
closes a socket for answers wants its stage no more, and its group is killed. When the socket of requests
ends, because doit has, so does this process, and Linux kills its stages.
"""

import os
import sys

if not sys.flags.safe_path:
    sys.path[0] = os.getcwd()  # as `python -m` has it

import ctypes
import gc
import importlib
import json
import runpy
import select
import signal
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Imported before the first request is answered, the project's own from the folder of the stages alone.
_FIRST = ("numpy", "pydantic")
_OWN = (
    "pipeline.graph.stage_runner",
    "pipeline.config.experiment",
    "pipeline.datasets.prepared",
    "pipeline.runtime.start_jittor",
)
# In the order in which the stages of an experiment need them; requests are answered in between.
_LATER = (
    "PIL.Image",
    "tqdm",
    "safetensors.numpy",
    "scipy.special",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.manifold",
    "sklearn.cluster",
    "faster_coco_eval",
    "jinja2",
    "vl_convert",
)
_PR_SET_PDEATHSIG = 1
_State = tuple[int, ...]
_REQUEST_BYTES, _MOST_DESCRIPTORS = 1 << 16, 64


@dataclass(frozen=True)
class _Stage:
    pid: int
    process: int  # descriptor that becomes readable when it has ended
    answers: socket.socket

    def descriptors(self) -> tuple[int, int]:
        return self.process, self.answers.fileno()


def next_stage(requests: socket.socket) -> list[str]:
    """Fork a stage for each request; only the stage returns, with the words of its request."""
    files = _states(Path.cwd().glob("pipeline/**/*.py"))
    own = [name for name in _OWN if Path.cwd().joinpath(*name.split(".")).with_suffix(".py") in files]
    for name in (*_FIRST, *own):
        _import(name)
    later, template = iter(_LATER), os.getpid()
    stages: dict[int, _Stage] = {}  # by both of its descriptors
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    importing = True
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(0 if importing else None)}
        if not ready:
            name = next(later, None)
            importing = name is not None
            if importing:
                _import(name)
        for stage in {stages[descriptor] for descriptor in ready & stages.keys()}:
            if stage.process not in ready:
                os.kill(stage.pid, signal.SIGKILL)  # its number is its own until it is waited for
                with suppress(ProcessLookupError):  # it has no group yet
                    os.killpg(stage.pid, signal.SIGKILL)
                poll.unregister(stage.answers)
                continue
            for descriptor in stage.descriptors():
                del stages[descriptor]
                with suppress(KeyError):
                    poll.unregister(descriptor)
            _, status = os.waitpid(stage.pid, 0)
            os.close(stage.process)
            with stage.answers, suppress(OSError):
                stage.answers.send(b"%d" % status)
        if requests.fileno() in ready:
            words, answers, *descriptors = _received(requests)
            try:
                pid = os.fork() if _has_one_thread() and _read_from(files) else None
            except OSError:  # there is no memory, or there are too many processes
                pid = None
            if pid == 0:
                for other in {*stages.values()}:
                    os.close(other.process)
                    other.answers.close()
                requests.close()
                _show_as([sys.executable, "-m", *words])
                _become_stage(template, answers, *descriptors)
                return words
            for descriptor in descriptors:
                os.close(descriptor)
            if pid is None:
                answers.close()  # this stage starts in another way
                continue
            stage = _Stage(pid, os.pidfd_open(pid), answers)
            for descriptor in stage.descriptors():
                stages[descriptor] = stage
                poll.register(descriptor, select.POLLIN)


def _import(name: str) -> None:
    with suppress(Exception):  # a stage that needs it says what is wrong
        importlib.import_module(name)


def _received(requests: socket.socket) -> tuple[list[str], socket.socket, *tuple[int, ...]]:
    message, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, _MOST_DESCRIPTORS)
    if not message:
        os._exit(0)
    answers, *others = descriptors
    return json.loads(message), socket.socket(fileno=answers), *others


def _has_one_thread() -> bool:
    """Whether a child has all threads of this process.

    OpenBLAS starts threads when it is loaded. It ends them before a fork, and starts them again, here or in
    the child, for the next product that needs them.
    """
    if _num_threads() > 1:
        if (trial := os.fork()) == 0:
            os._exit(0)
        os.waitpid(trial, 0)
    return _num_threads() == 1


def _num_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _read_from(files: dict[Path, _State]) -> bool:
    """Whether each file of the project that has been read is still as in `files`."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "pipeline"]
    read = [Path(module.__file__) for module in modules]
    now = _states(read)
    return all(path in now and now[path] == files.get(path) for path in read)


def _states(paths: Iterable[Path]) -> dict[Path, _State]:
    """What changes whenever a file does."""
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):
            state = path.stat()
            found[path] = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return found


def _show_as(words: list[str]) -> None:
    """Have `ps` show this command, as far as this process's own arguments leave room for it."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()  # from the third one on
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, 48 and 49 in `man 5 proc`
    if start:
        shown = b"\0".join(map(os.fsencode, words))[: end - start - 1]
        ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)


def _become_stage(template: int, answers: socket.socket, output: int, *kept: int) -> None:
    """Go on as a process that `subprocess.Popen` has started in its own session, and tell its number.

    Args:
        template: number of the process that it was forked from.
    """
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != template:  # it ended before this
        os._exit(1)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    for descriptor in kept:
        os.set_inheritable(descriptor, True)
    with answers:
        answers.send(b"%d" % os.getpid())
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else all stages would draw alike; Python's own does it by itself
    gc.freeze()  # what the libraries hold is no garbage
    gc.enable()


if __name__ == "__main__":
    gc.disable()  # while libraries are imported
    sys.argv = next_stage(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
