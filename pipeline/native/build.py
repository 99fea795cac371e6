"""Compiles C++ sources into a shared library, once per source, compiler and processor.

Independent of Jittor: the augmentation kernels are called through ctypes, without the interpreter lock.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from pipeline.runtime.cache import cache_root
from pipeline.runtime.processor import model_and_flags
from pipeline.storage.files import replacing

# Nobody reads floating-point exception flags; where the compiler must preserve them, it cannot vectorise a
# loop with a branch in it, such as that of the exponential.
_FLAGS = (
    "-O3",
    "-march=native",
    "-std=c++17",
    "-fPIC",
    "-shared",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wall",
    "-Wextra",
)


class BuildError(RuntimeError):
    """The library could not be compiled; the message ends with the compiler's output."""


def build_library(
    name: str, sources: list[Path], flags: tuple[str, ...] = (), depends: list[Path] = ()
) -> Path:
    """Compile `sources` into `lib<name>.so` unless that library exists already.

    Args:
        name: name of the library.
        sources: C++ files, compiled together.
        flags: further compiler and linker flags.
        depends: headers that the sources include; a change in one recompiles the library.

    Returns:
        Path of the library, whose folder's name is a digest of everything it was made from.

    Raises:
        BuildError: there is no compiler, or it failed.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise BuildError(f"{name}: no C++ compiler found; install g++ (Debian: apt-get install g++)")
    digest = hashlib.sha256(repr((_compiler_version(compiler), model_and_flags(), _FLAGS, flags)).encode())
    for path in (*sources, *depends):
        digest.update(path.read_bytes())
    arguments = [*_FLAGS, *map(str, sources), *flags, "-o"]
    return built_once(name, digest.hexdigest(), lambda to: _compile(compiler, name, [*arguments, str(to)]))


def built_once(name: str, digest: str, build: Callable[[Path], None]) -> Path:
    """Path of the library of this name and digest; one process builds it, others wait.

    Args:
        build: called with the path to write; no other process uses its folder meanwhile.
    """
    library = cache_root() / "native" / digest[:16] / f"lib{name}.so"
    if library.is_file():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    with open(library.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.is_file():
            with replacing(library) as partial:
                build(partial)
    return library


def _compile(compiler: str, name: str, arguments: list[str]) -> None:
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{name}: {compiler} failed:\n{done.stderr[-4000:]}")


def _compiler_version(compiler: str) -> str:
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True)
    return done.stdout.splitlines()[0] if done.stdout else compiler
