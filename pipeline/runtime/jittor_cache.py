"""Jittor's compiled core: one folder per machine and toolchain, built by one process at a time."""

import ctypes
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path
from typing import IO

from pipeline.runtime import compiled_headers, environment, joined_sources
from pipeline.runtime.cache import BUILT, cache_root
from pipeline.runtime.compiled_libraries import keep_digests
from pipeline.runtime.mpi import without_mpi
from pipeline.runtime.operator_compiler import compile_operators_directly, operator_script
from pipeline.runtime.processor import model_and_flags
from pipeline.runtime.quiet_child import run_quietly
from pipeline.storage.files import replacing, write_json

# Object files of Jittor 1.3.11's core, one per source file; only for the progress line.
_NUM_CORE_FILES = 157
# Variables by which a user may change how Jittor compiles.
_COMPILE_VARIABLES = ("cc_flags", "kernel_flags", "nvcc_flags", "debug", "enable_lto", "use_data_gz")
_CUDA_COMPILE_VARIABLES = ("NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS", "conv_opt")

Say = Callable[[str], None]
OneDnn = tuple[Path, Path]  # folder of the headers, library


class JittorBuildError(RuntimeError):
    """Jittor's core could not be compiled; the message ends with the end of the build's log."""


def jittor_folder(compiler: str, *, onednn: OneDnn | None, cuda: tuple | None = None) -> Path:
    """Folder for code that Jittor compiles with these tools; it serves as Jittor's home folder.

    Its name is a digest of everything that makes Jittor compile again. So a folder is never rebuilt in place,
    after which Jittor would print "please rerun" and end with exit code 0.

    Args:
        compiler: the C++ compiler.
        onednn: headers and library, if oneDNN is used.
        cuda: `CudaSetup.identity`, if it is compiled for a GPU.
    """
    variables = _COMPILE_VARIABLES if cuda is None else _COMPILE_VARIABLES + _CUDA_COMPILE_VARIABLES
    parts = (
        metadata.version("jittor"),
        util.find_spec("jittor").origin,
        platform.python_version(),
        sysconfig.get_path("include"),
        compiler,
        _first_line(compiler, "--version"),
        platform.platform(),
        platform.node(),
        model_and_flags(),
        str(onednn),
        str(cuda),
        operator_script(python=""),  # one interpreter has several names: python, python3.11
        [environment.original(name) for name in variables],
    )
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    return cache_root() / "jittor" / digest


def is_built(folder: Path) -> bool:
    """Whether the core in `folder` was compiled completely."""
    return _mark(folder).is_file()


def discard(folder: Path) -> None:
    """Mark the core in `folder` as unusable, so that the next start builds it again."""
    _mark(folder).unlink(missing_ok=True)


def prepare(folder: Path, onednn: OneDnn | None) -> None:
    """Put into `folder` what Jittor would otherwise search for or download. Idempotent."""
    script = python_config(folder)
    includes = " ".join(sorted({f"-I{sysconfig.get_path(name)}" for name in ("include", "platinclude")}))
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    text = (
        "#!/bin/sh\n# Jittor asks this script how to compile for the interpreter that runs it.\n"
        f'case "$1" in --includes) echo "{includes}" ;; *) echo "{suffix}" ;; esac\n'
    )
    if not script.is_file() or script.read_text() != text:
        with replacing(script) as partial:
            partial.write_text(text)
            partial.chmod(0o700)
    if onednn is not None:
        headers, library = onednn
        # The name of the archive that Jittor would otherwise download to this folder.
        home = folder / ".cache" / "jittor" / "mkl" / "dnnl_lnx_2.2.0_cpu_gomp"
        (home / "lib").mkdir(parents=True, exist_ok=True)
        _link(home / "include", headers)
        _link(home / "lib" / "libmkldnn.so", library)


def python_config(folder: Path) -> Path:
    """Path of a script that replaces `python3-config`, which many Pythons lack or keep elsewhere."""
    return folder / "python-config"


def build_once(folder: Path, onednn: OneDnn | None, say: Say, *, compiler: str, on_device: bool) -> None:
    """Compile Jittor's core into `folder` if it is missing; one process compiles, others wait.

    A child process compiles and inherits the lock: if this process is killed, the build still finishes, and
    the next process waits for it instead of starting a second build.

    Args:
        folder: see `jittor_folder`.
        onednn: headers and library, if oneDNN is used.
        say: called with lines for the user.
        compiler: the C++ compiler.
        on_device: whether the core is for a card.

    Raises:
        JittorBuildError: compiling failed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(folder.with_suffix(".lock"), "w") as lock:
        _wait_for(lock, say)
        if is_built(folder):
            return
        if folder.exists():
            say(f"removing a compiled core of Jittor that was never finished: {folder}")
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        prepare(folder, onednn)
        started = time.monotonic()
        if not on_device:
            sources = Path(util.find_spec("jittor").origin).parent / "src"
            python = [Path(sysconfig.get_path(name)) for name in ("include", "platinclude")]
            user = environment.original("cc_flags") or ""
            compiled_headers.compile_core_headers(folder, compiler, user, [sources, *python])
        say("compiling Jittor's core, once per machine and Python environment; minutes on 2 cores ...")
        _build(folder, compiler, onednn[1] if onednn else None, lock, say)
        say(f"Jittor's core compiled in {time.monotonic() - started:.0f} s, kept in {folder}")


def first_compile(folder: Path, compiler: str, library: Path | None) -> None:
    """Import Jittor for the first time and check a matrix product; runs in a process of its own.

    Raises:
        JittorBuildError: the compiled core computes a wrong product.
    """
    started = time.monotonic()
    load_globally(library)
    core = None
    if compiled_headers.core_flags(folder) and metadata.version("jittor").startswith(joined_sources.JITTOR):
        import jittor_utils

        core = joined_sources.compile_joined(jittor_utils, folder)
    import jittor
    import numpy as np

    if compiled_headers.core_flags(folder):
        compiled_with = core.headers_compiled_with() if core else None
        compiled_headers.use_operator_headers(jittor, folder, compiler, compiled_with)
        compile_operators_directly(jittor, folder)
    left = np.arange(64 * 64, dtype=np.float32).reshape(64, 64) % 7
    product = jittor.matmul(jittor.array(left), jittor.array(left)).numpy()
    if not np.array_equal(product, left @ left):
        raise JittorBuildError(f"Jittor's product of two 64 x 64 matrices is wrong; compiled in {folder}")
    seconds = round(time.monotonic() - started, 1)
    keep_digests(folder)
    jittor_version = metadata.version("jittor")
    write_json(_mark(folder), {"jittor": jittor_version, "onednn": str(library), "seconds": seconds})


def load_globally(library: Path | None) -> None:
    """Load oneDNN with its symbols visible to libraries loaded later: Jittor's need no LD_LIBRARY_PATH.

    Raises:
        OSError: the library, or one that it depends on, cannot be loaded.
    """
    if library is not None:
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def _mark(folder: Path) -> Path:
    return folder / BUILT


def _wait_for(lock: IO[str], say: Say) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another process is compiling Jittor's core; waiting for it ...")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _build(folder: Path, compiler: str, library: Path | None, lock: IO[str], say: Say) -> None:
    """Run `first_compile` in a new process, and once more if Jittor asks for that by exit code 0."""
    onednn = f"Path({str(library)!r})" if library else None
    code = (
        "from pathlib import Path; from pipeline.runtime.jittor_cache import first_compile; "
        f"first_compile(Path({str(folder)!r}), {compiler!r}, {onednn})"
    )
    # cc_flags stays unset without headers: an empty one would change Jittor's commands at the next start.
    # Without MPI's variables, as the child would be taken for the rank that started it.
    variables = without_mpi(os.environ)
    if headers := compiled_headers.core_flags(folder):
        variables["cc_flags"] = f"{os.environ.get('cc_flags', '')} {headers}".strip()  # noqa: SIM112
    log = folder / "first-compile.log"

    def report(seconds: float) -> None:
        done = sum(1 for _ in folder.rglob("*.o"))
        say(f"  {done} of about {_NUM_CORE_FILES} files compiled, {seconds:.0f} s")

    for _ in range(2):
        exit_code = run_quietly(code, log, environment=variables, keep_open=(lock.fileno(),), waiting=report)
        if exit_code or is_built(folder):
            break
    if not is_built(folder):
        tail = log.read_text(errors="replace")[-4000:]
        raise JittorBuildError(f"Jittor's core was not compiled (exit code {exit_code}); {log} ends:\n{tail}")


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    with_pid = link.with_name(f"{link.name}.{os.getpid()}")
    os.symlink(target, with_pid)
    os.replace(with_pid, link)


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return done.stdout.partition("\n")[0]
