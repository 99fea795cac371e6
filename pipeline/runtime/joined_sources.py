"""Compiles the many small sources of Jittor's core as a few large ones, which takes less processor time.

Most of what a small source costs are the templates that all of them use. Sources that are neighbours in the
order of linking are joined, which keeps the order in which the core's static objects are made. If joined ones
do not compile, they are compiled one by one, as Jittor has them.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import util
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

from pipeline.runtime.compiled_headers import compile_operator_headers, operator_flags
from pipeline.runtime.core_parts import joined_text, parts, size_of
from pipeline.runtime.core_sources import Source, parsed
from pipeline.runtime.core_utilities import Utilities
from pipeline.storage.files import write_json

# The version whose sources were read for names that clash.
JITTOR = "1.3.11"
_GIB_OF_A_COMPILER = 1.5
# GCC looks for garbage in its own memory from 128 MiB on, a twelfth of a large source's time; here from 1 GB.
_FEW_COLLECTIONS = ("--param", "ggc-min-heapsize=1000000")
_GCC = re.compile(r"(?:^|-)g\+\+")
_RECORD = "joined.json"  # in Jittor's folder: what was compiled here
_DATA = "data.o"  # compiled before all others, from a source that Jittor removes then

Commands = Iterable[str]


def _output(command: str) -> str:
    """The output of a command, alone: to split 157 commands takes a sixth of a start."""
    return shlex.split(command[command.rindex(" -o ") :])[-1]


class CoreCompiler:
    """Takes the place of `jittor_utils.run_cmd` and `run_cmds` while Jittor's core is compiled.

    Args:
        folder: Jittor's folder; a list of what was joined is kept there.
        run_cmd: `jittor_utils.run_cmd`.
        workers: how many compilers run at once.
    """

    def __init__(self, folder: Path, run_cmd: Callable, workers: int):
        self._folder, self._run_cmd, self._workers = folder, run_cmd, workers
        self._pool = ThreadPoolExecutor(workers)
        self._data: Future | None = None
        self._headers: Future[list[str]] | None = None
        self._making, self._made = Lock(), dict[str, bytes]()

    def run_cmd(self, command: str, *arguments: object, **named: object) -> str:
        """Run a command; the one for the source that takes long is only begun."""
        if not command.rstrip('"').endswith(_DATA):
            return self._run_cmd(command, *arguments, **named)
        command = command.replace(" -O2 ", " -O1 ")  # two thirds of the time
        *before, path, flag, output_flag, output = shlex.split(command)
        kept = self._folder / "core-data.cc"
        shutil.copyfile(path, kept)
        self._data = self._pool.submit(_run, [*before, str(kept), flag, output_flag, output])
        self._data.add_done_callback(lambda done: kept.unlink(missing_ok=True))
        return ""

    def run_cmds(self, commands: Commands, cache_path: str, jittor_path: str, message: str = "") -> None:
        """Compile all files, the longest first, and wait for them.

        Raises:
            RuntimeError: a file does not compile; its output is part of the message.
        """
        sources = [parsed(each) for each in commands]
        needed = [each for each in sources if each.stand_in is None]
        most = len(needed) // max(6, 2 * self._workers)
        longest_first = sorted(parts(needed, most), key=size_of, reverse=True)
        running = [self._pool.submit(self._compile, part) for part in longest_first]
        if self._headers is None and needed:
            self._headers = self._pool.submit(self._precompile, needed[0].command)
        objects = [str(path) for each in running for path in each.result()]
        for each in sources:
            if each.stand_in is not None:
                self._make(each.output, each.command[0], each.stand_in)
                objects.append(str(each.output))
        if self._data is not None:
            self._data.result()
            self._data = None
        self._record(objects, [str(each.path) for each in sources if each.is_binding])

    def make_utilities(self, command: str) -> None:
        """Compile a library from one joined source, by a command with several.

        Raises:
            RuntimeError: it does not compile; the compiler's output is part of the message.
        """
        compiler, *rest = shlex.split(command)
        sources = [Source(Path(each), Path(), ()) for each in rest if each.endswith(".cc")]
        flags = [each for each in rest if not each.endswith(".cc")]
        path = self._folder / "joined-utilities.cc"
        path.write_text(joined_text(sources))
        try:
            _run([compiler, str(path), *flags])
        except RuntimeError as error:
            print(f"one by one, as these do not compile as one: {error}", file=sys.stderr)
            _run([compiler, *rest])
        finally:
            path.unlink()
        self._record([], [], utilities=True)

    def _record(self, objects: list[str], bindings: list[str], *, utilities: bool = False) -> None:
        """Add to the record of what was compiled here."""
        before = _recorded(self._folder)
        record = {
            "objects": before["objects"] + objects,
            "bindings": before["bindings"] + bindings,
            "utilities": before["utilities"] or utilities,
        }
        write_json(self._folder / _RECORD, record)

    def _compile(self, part: list[Source]) -> list[Path]:
        """Compile a part, and return its objects."""
        first = part[0]
        if len(part) > 1 or first.is_edited:
            path = self._folder / f"joined-from-{first.path.name}"
            path.write_text(joined_text(part))
            try:
                _run(first.compiled_from(path))
                for each in part[1:]:  # Jittor links an object for each source
                    self._make(each.output, first.command[0], "")
                return [each.output for each in part]
            except RuntimeError as error:
                print(f"one by one, as these do not compile as one: {error}", file=sys.stderr)
            finally:
                path.unlink()
        for each in part:
            _run(each.compiled_from(each.path))
        return [each.output for each in part]

    def headers_compiled_with(self) -> list[str] | None:
        """Wait for the operators' headers; the flags they were compiled with, or None if they were not."""
        return self._headers.result() if self._headers else None

    def _precompile(self, command: tuple[str, ...]) -> list[str]:
        flags = operator_flags(command, self._folder)
        compile_operator_headers(self._folder, command[0], flags)
        return flags

    def _make(self, output: Path, compiler: str, text: str) -> None:
        """Make an object of a short text; each text is compiled once."""
        with self._making:
            if text not in self._made:
                self._made[text] = _compiled(compiler, text, output)
        output.write_bytes(self._made[text])


def compile_joined(utils: ModuleType, folder: Path) -> CoreCompiler:
    """Make Jittor compile its core from joined sources, when it is imported next.

    Args:
        utils: the module `jittor_utils`.
        folder: Jittor's folder.

    Returns:
        What compiles them; it precompiles the operators' headers too.
    """
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    workers = max(1, min(len(os.sched_getaffinity(0)), int(gib / _GIB_OF_A_COMPILER)))
    compiler = CoreCompiler(folder, utils.run_cmd, workers)
    utils.run_cmd, utils.run_cmds = compiler.run_cmd, compiler.run_cmds
    utils.cc = Utilities(utils, compiler.make_utilities)
    return compiler


def leave_joined(utils: ModuleType, folder: Path) -> None:
    """Keep Jittor from compiling again what was joined, of which it has no record, when it is imported next.

    It does not write the sources of Python's side again either, which takes half the time of an import.

    Args:
        utils: the module `jittor_utils`.
        folder: Jittor's folder, with a core that was compiled whole.
    """
    record, run_cmds = _recorded(folder), utils.run_cmds
    compiled = set(record["objects"])

    def run_others(commands: Commands, *arguments: object) -> None:
        if others := [each for each in commands if _output(each) not in compiled]:
            run_cmds(others, *arguments)

    if compiled:
        utils.run_cmds = run_others
    if record["utilities"]:
        utils.cc = Utilities(utils, make=lambda command: None)
    if record["bindings"]:
        _load_generator().compile = lambda cache_path, jittor_path: list(record["bindings"])


def _load_generator() -> ModuleType:
    """Load Jittor's `pyjt_compiler` before Jittor, whose import would use it at once."""
    path = Path(util.find_spec("jittor").origin).with_name("pyjt_compiler.py")
    spec = util.spec_from_file_location("jittor.pyjt_compiler", path)
    module = sys.modules[spec.name] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compiled(compiler: str, text: str, output: Path) -> bytes:
    """The object of a text that needs no flags."""
    source = output.with_name(f"{output.name}.cc")
    source.write_text(text)
    try:
        _run([compiler, "-fPIC", "-c", str(source), "-o", str(output)])
    finally:
        source.unlink()
    return output.read_bytes()


def _run(command: list[str]) -> None:
    compiler, *rest = command
    collections = _FEW_COLLECTIONS if _GCC.search(Path(compiler).name) else ()
    done = subprocess.run([compiler, *collections, *rest], capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}\n{done.stderr}")


def _recorded(folder: Path) -> dict[str, Any]:
    nothing = {"objects": [], "bindings": [], "utilities": False}
    try:
        return nothing | json.loads((folder / _RECORD).read_text())
    except FileNotFoundError:
        return nothing
