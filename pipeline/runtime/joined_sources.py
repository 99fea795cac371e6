"""Compiles the many small sources of Jittor's core as a few large ones, which takes less processor time.

Most of what a small source costs are the templates that all of them use. Sources that are neighbours in the
order of linking are joined, which keeps the order in which the core's static objects are made. If joined ones
do not compile, they are compiled one by one.
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
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from types import ModuleType

from pipeline.storage.files import write_json

# The version whose sources were read for names that clash.
JITTOR = "1.3.11"
# Never joined: they define macros that others would see, need macros before the first header, have a function
# whose name others have too, or are large.
_ALONE = {
    "code_op.cc",
    "common_op_type.cc",
    "cpu_math.cc",
    "executor.cc",
    "expr.cc",
    "fp16_op_type.cc",
    "init.cc",
    "kernel_ir.cc",
    "lock.cc",
    "miniz.cc",
    "nano_string.cc",
    "numpy.cc",
    "op_compiler.cc",
    "profiler.cc",
    "pyjt_jit_flags.cc",
    "pyjt_jit_op_maker.cc",
    "test_kernel_ir.cc",
    "var_holder.cc",
    "vtop.cc",
}
# The same name for the constructor of an operator, in each file that makes one.
_CONSTRUCTOR = re.compile(r"^static auto (make_\w+)\s*=", re.MULTILINE)
_GIB_OF_A_COMPILER = 1.5
_BYTES_LIKE_HEADERS = 20_000  # of a source that take as long as a file's headers and templates
_RECORD = "joined.json"  # in Jittor's folder: objects that were compiled here, sources of Python's side
_BINDINGS = "gen"  # name of the folder of the latter
# Folders of sources for which no step waits: passes over a new operator, profiling. These and Python's side
# take a third less time to compile at -O1.
_LIGHT = {"opt", "profiler"}
# What nothing here calls: Jittor's tests of itself, and an example of oneDNN. At -O0 they take half the time.
_UNUSED_FOLDER = "test"
_UNUSED = {"cpu_cnn_inference_f32.cpp", "pyjt_jit_tests.cc"}
_UTILITIES = "jit_utils_core"  # compiled twice: the first library compiles itself again, with a record
_DATA = "data.o"  # compiled before all others, from a source that Jittor removes then

Commands = Iterable[str]


@dataclass(frozen=True)
class Source:
    """One file to compile."""

    path: Path
    output: Path
    command: tuple[str, ...]  # without source and output

    def compiled_from(self, path: Path) -> list[str]:
        """The command with another source."""
        return [self.command[0], str(path), *self.command[1:], "-o", str(self.output)]


def parsed(command: str) -> Source:
    """A command of Jittor: compiler, source, flags, -o, output."""
    compiler, path, *flags, _, output = shlex.split(command)
    if "-O2" in flags and (level := _lower_level(Path(path))):
        flags.append(level)
    return Source(Path(path), Path(output), (compiler, *flags))


def _output(command: str) -> str:
    """The output of such a command, alone: to split 157 commands takes a sixth of a start."""
    return shlex.split(command[command.rindex(" -o ") :])[-1]


def _lower_level(path: Path) -> str | None:
    """How little a source is optimised, if less than Jittor has it."""
    of_jittor = path.parts[len(path.parts) - path.parts[::-1].index("src") :] if "src" in path.parts else ()
    if path.name in _UNUSED or _UNUSED_FOLDER in of_jittor:
        return "-O0"
    if path.parent.name == _BINDINGS or path.name == "op_compiler.cc" or _LIGHT & set(of_jittor):
        return "-O1"
    return None


def parts(sources: list[Source], most: int) -> list[list[Source]]:
    """Neighbours that are compiled as one, in the given order.

    Args:
        sources: in the order of linking.
        most: how many are joined at most.
    """
    result: list[list[Source]] = []
    may_grow = False
    for source in sources:
        alone = source.path.name in _ALONE or source.path.suffix != ".cc"
        if may_grow and not alone and len(result[-1]) < most and result[-1][0].command == source.command:
            result[-1].append(source)
        else:
            result.append([source])
        may_grow = not alone
    return result


def joined_text(sources: Iterable[Source]) -> str:
    """A source that includes others, with names that several of them use made different."""
    lines = []
    for index, source in enumerate(sources):
        names = _CONSTRUCTOR.findall(source.path.read_text())
        lines += [f"#define {name} {name}_{index}" for name in names]
        lines.append(f'#include "{source.path}"')
        lines += [f"#undef {name}" for name in names]
    return "\n".join(lines) + "\n"


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

    def run_cmd(self, command: str, *arguments: object, **named: object) -> str:
        """Run a command; the one for the source that takes long is only begun."""
        if not command.rstrip('"').endswith(_DATA):
            if f"{_UTILITIES}." in command.rpartition(" -o ")[2]:
                command = command.replace(" -O2 ", " -O0 ")
            return self._run_cmd(command, *arguments, **named)
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
        todo = parts(sources, most=len(sources) // max(6, 2 * self._workers))
        longest_first = sorted(todo, key=_size, reverse=True)
        running = [self._pool.submit(self._compile, part) for part in longest_first]
        objects = [str(path) for each in running for path in each.result()]
        if self._data is not None:
            self._data.result()
            self._data = None
        before = _recorded(self._folder)
        bindings = [str(each.path) for each in sources if each.path.parent.name == _BINDINGS]
        record = {"objects": before["objects"] + objects, "bindings": before["bindings"] + bindings}
        write_json(self._folder / _RECORD, record)

    def _compile(self, part: list[Source]) -> list[Path]:
        """Compile a part, and return its objects."""
        first = part[0]
        if len(part) > 1:
            path = self._folder / f"joined-from-{first.path.name}"
            path.write_text(joined_text(part))
            try:
                _run(first.compiled_from(path))
                for each in part[1:]:  # Jittor links an object for each source
                    _run([first.command[0], "-x", "c++", "-c", os.devnull, "-o", str(each.output)])
                return [each.output for each in part]
            except RuntimeError as error:
                print(f"one by one, as these do not compile as one: {error}", file=sys.stderr)
            finally:
                path.unlink()
        for each in part:
            _run(each.compiled_from(each.path))
        return [each.output for each in part]


def compile_joined(utils: ModuleType, folder: Path) -> None:
    """Make Jittor compile its core from joined sources, when it is imported next.

    Args:
        utils: the module `jittor_utils`.
        folder: Jittor's folder.
    """
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    workers = max(1, min(len(os.sched_getaffinity(0)), int(gib / _GIB_OF_A_COMPILER)))
    compiler = CoreCompiler(folder, utils.run_cmd, workers)
    utils.run_cmd, utils.run_cmds = compiler.run_cmd, compiler.run_cmds


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
    if record["bindings"]:
        _load_generator().compile = lambda cache_path, jittor_path: list(record["bindings"])


def _load_generator() -> ModuleType:
    """Load Jittor's `pyjt_compiler` before Jittor, whose import would use it at once."""
    path = Path(util.find_spec("jittor").origin).with_name("pyjt_compiler.py")
    spec = util.spec_from_file_location("jittor.pyjt_compiler", path)
    module = sys.modules[spec.name] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _size(part: list[Source]) -> int:
    """A measure of how long a part takes to compile."""
    return sum(source.path.stat().st_size + _BYTES_LIKE_HEADERS for source in part)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}\n{done.stderr}")


def _recorded(folder: Path) -> dict[str, list[str]]:
    try:
        return json.loads((folder / _RECORD).read_text())
    except FileNotFoundError:
        return {"objects": [], "bindings": []}
