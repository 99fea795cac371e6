"""Has Jittor's core compiled beside the first stages, which prepare images, where a later one needs it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Thread

from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import Node
from pipeline.graph.subprocesses import run_in_group
from pipeline.runtime.cache import BUILT, cache_root

THREAD = "early core"
_MODULE = "pipeline.runtime.compile_core"


def compile_if_needed(graph: Graph, nodes: Iterable[Node], root: Path, show: Callable[[bytes], None]) -> bool:
    """Begin to compile the core if none is compiled on this machine and one of the nodes will use it.

    The process ends with this one at the latest. The first stage that uses the core waits for it, and
    compiles it itself should this fail.

    Args:
        graph: the nodes' graph.
        nodes: what runs here next unless it is current.
        root: the project's folder.
        show: called with the compiling process's output as it arrives.

    Returns:
        Whether it was begun.
    """
    try:
        if any((cache_root() / "jittor").glob(f"*/{BUILT}")):
            return False
    except OSError:  # the stage says what is wrong
        return False
    users = (node for node in nodes if "jittor" in graph.libraries(node) and graph.fault(node) is not None)
    first = next(users, None)
    if first is None:
        return False
    command = [sys.executable, "-m", _MODULE, first.runtime.device]
    Thread(target=_run, args=(command, root, show), name=THREAD, daemon=True).start()
    return True


def _run(command: list[str], root: Path, show: Callable[[bytes], None]) -> None:
    with suppress(OSError, subprocess.SubprocessError):
        run_in_group(command, cwd=root, environment={**os.environ, "PYTHONUNBUFFERED": "1"}, show=show)
