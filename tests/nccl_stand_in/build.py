"""Compiles the stand-ins for NCCL and for streams, once; no CUDA toolkit is needed."""

import hashlib
import subprocess
from pathlib import Path

from pipeline.native.build import built_once

_HERE = Path(__file__).resolve().parent
_FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")


def stand_in_nccl() -> Path:
    """The library in place of libnccl.so.2."""
    return _built("nccl")


def stand_in_streams() -> Path:
    """The library in place of libcudart.so, for arrays of the host."""
    return _built("streams")


def compile_nccl(to: Path, real_header: tuple[Path, ...] = ()) -> None:
    """Compile the stand-in for NCCL.

    Args:
        to: the library.
        real_header: folders of NCCL's own header and of those that it includes; (): declare what is needed.
    """
    given = ["-DREAL_HEADER", *(f"-isystem{folder}" for folder in real_header)] if real_header else []
    _compile(_HERE / "nccl.cpp", to, *given)


def _built(name: str) -> Path:
    source = _HERE / f"{name}.cpp"
    digest = hashlib.sha256(repr(_FLAGS).encode() + source.read_bytes()).hexdigest()
    return built_once(f"stand_in_{name}", digest, lambda to: _compile(source, to))


def _compile(source: Path, to: Path, *flags: str) -> None:
    command = ["g++", *_FLAGS, *flags, str(source), "-o", str(to), "-lrt", "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
