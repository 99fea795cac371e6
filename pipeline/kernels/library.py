"""The compiled library behind the fused kernels: built on first use, loaded once per process."""

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.native.build import BuildError, build_library
from pipeline.onednn import onednn_paths

_FOLDER = Path(__file__).resolve().parent.parent / "native"
_HEADERS = ("column_sums.h", "kernels.h", "products.h", "tiles.h", "vector_math.h")
_SOURCES = (
    "attention.cpp",
    "cross_entropy.cpp",
    "depthwise_conv.cpp",
    "layer_norm.cpp",
    "optimizer.cpp",
    "pooling.cpp",
    "rows.cpp",
)
# These need oneDNN.
_MATMUL_SOURCES = ("linear.cpp", "products.cpp")


@dataclass(frozen=True)
class Library:
    """The loaded library."""

    handle: ctypes.CDLL
    has_onednn: bool


class _State:
    tried = False
    library: Library | None = None
    problem: str | None = None


def tried() -> bool:
    """Whether `load` was called before."""
    return _State.tried


def problem() -> str | None:
    """Why the library, or its part that needs oneDNN, is missing; None if all is there."""
    return _State.problem


def load() -> Library | None:
    """Build the library unless it is built, load it, and return it; None where that fails (see `problem`)."""
    if not _State.tried:
        _State.tried = True
        onednn = onednn_paths()
        if onednn is None:
            _State.problem = "oneDNN is not installed: linear layers run on Jittor's own operators"
        try:
            _State.library = _load(onednn)
        except (BuildError, OSError) as error:
            _State.problem = (
                f"the fused kernels are not available, plain Jittor operators run instead: {error}"
            )
    return _State.library


@cache
def declaration(function: str) -> str:
    """The C declaration of one of the library's functions, from kernels.h, without its parameters' names.

    Jittor defines macros such as `out_dim` in the source that the declaration goes into.

    Raises:
        KeyError: kernels.h declares no such function.
    """
    found = re.search(rf"^void {function}\(([^;]*)\);", (_FOLDER / "kernels.h").read_text(), re.MULTILINE)
    if found is None:
        raise KeyError(f"{_FOLDER / 'kernels.h'} declares no function {function}")
    types = (re.sub(r"\w+$", "", parameter.strip()).strip() for parameter in found.group(1).split(","))
    return f'extern "C" void {function}({", ".join(types)});'


def _load(onednn: tuple[Path, Path] | None) -> Library:
    sources, flags = list(_SOURCES), ["-fopenmp"]
    if onednn is not None:
        include, shared = onednn
        sources += _MATMUL_SOURCES
        flags += [f"-I{include}", str(shared), f"-Wl,-rpath,{shared.parent}"]
    path = build_library(
        "kernels",
        [_FOLDER / name for name in sources],
        tuple(flags),
        [_FOLDER / name for name in _HEADERS],
    )
    # Globally: the small operators that Jittor compiles find the functions by their names.
    return Library(ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL), onednn is not None)
