"""Builds and loads the library of the fused kernels, for processor or device, on first use."""

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jittor as jt

from pipeline.native.build import BuildError
from pipeline.native.cuda.build import build_device_library
from pipeline.native.processor_library import build_processor_library
from pipeline.runtime.cuda import architecture

_FOLDER = Path(__file__).resolve().parent.parent / "native"


@dataclass(frozen=True)
class Library:
    """The loaded library."""

    handle: ctypes.CDLL
    multiplies: bool  # whether it has linear layers
    on_device: bool  # whether its arrays are on a device
    header: Path  # declares its functions

    @property
    def prefix(self) -> str:
        """Prefix of its functions' names: both libraries can be loaded in one process."""
        return "hssl_device_" if self.on_device else "hssl_"

    def function(self, name: str) -> Any:
        """A function, for a call through ctypes."""
        return getattr(self.handle, self.prefix + name)


class _State:
    tried = False
    library: Library | None = None
    problem: str | None = None


def tried() -> bool:
    """Whether `load` was called before."""
    return _State.tried


def problem() -> str | None:
    """Why the library, or its part that needs oneDNN, is missing; None if everything is there."""
    return _State.problem


def load() -> Library | None:
    """Build the library if needed, load it, and return it; None if that fails (see `problem`).

    There is one library for the processor and one for a GPU; it is that of the device in use.
    """
    if not _State.tried:
        _State.tried = True
        try:
            _State.library = _load_for_device() if jt.flags.use_cuda else _load_for_processor()
        except (BuildError, OSError) as error:
            _State.problem = (
                f"the fused kernels are not available, plain Jittor operators run instead: {error}"
            )
    return _State.library


def declaration(name: str) -> str:
    """The C declaration of one of the loaded library's functions, without its parameters' names.

    Args:
        name: of the function, without the library's prefix.

    Jittor defines macros such as `out_dim` in the source around the declaration, so it has no parameter
    names.

    Raises:
        KeyError: the header declares no such function.
    """
    return _declaration(load().header, load().prefix + name)


@cache
def _declaration(header: Path, function: str) -> str:
    found = re.search(rf"^void {function}\(([^;]*)\);", header.read_text(), re.MULTILINE)
    if found is None:
        raise KeyError(f"{header} declares no function {function}")
    types = (re.sub(r"\w+$", "", parameter.strip()).strip() for parameter in found.group(1).split(","))
    return f'extern "C" void {function}({", ".join(types)});'


def _load_for_processor() -> Library:
    path, multiplies = build_processor_library()
    if not multiplies:
        _State.problem = "oneDNN is not installed: linear layers run on Jittor's own operators"
    return Library(_loaded_globally(path), multiplies, on_device=False, header=_FOLDER / "kernels.h")


def _load_for_device() -> Library:
    path = build_device_library(architecture())
    header = _FOLDER / "cuda" / "kernels.h"
    return Library(_loaded_globally(path), multiplies=True, on_device=True, header=header)


def _loaded_globally(path: Path) -> ctypes.CDLL:
    """Load with global symbols: the small operators that Jittor compiles find the functions by name."""
    return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
