"""Precompiled headers for Jittor, on the processor: its core and its operators compile in half the time.

The core has 157 source files, and a network's step needs hundreds of operators with a file each. All include
the same headers, and parsing these took most of the compile time. If the flags do not match those of the
precompiled headers, the compiler parses the headers as usual.
"""

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from pipeline.storage.files import partial_of

# Headers that most source files of Jittor 1.3.11 include.
_CORE = """#include <algorithm>
#include <functional>
#include <iomanip>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>
#include "executor.h"
#include "op.h"
#include "var.h"
#include "ops/op_register.h"
"""
# The macros come first, as in an operator's source: the headers test them.
_OPERATORS = """#define JIT 1
#define JIT_cpu 1
#include <assert.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include "var.h"
#include "executor.h"
#include "fused_op.h"
#include "misc/cpu_math.h"
#include "ops/op_register.h"
#include "ops/array_op.h"
#include "ops/binary_op.h"
#include "ops/broadcast_to_op.h"
#include "ops/code_op.h"
#include "ops/getitem_op.h"
#include "ops/reduce_op.h"
#include "ops/setitem_op.h"
#include "ops/ternary_op.h"
#include "ops/unary_op.h"
"""
# With which Jittor compiles its core; a version with other flags does not use the precompiled header.
_CORE_FLAGS = "-Wall -Wno-unknown-pragmas -std=c++14 -fPIC -march=native -O2"
_KERNEL_FLAGS = ("-fopenmp", "-Ofast")  # which it adds for operators
_OPERATORS_H = "operators.h"
_LINKER_FLAGS = ("-l", "-L", "-Wl,", "-shared")


def compile_core_headers(folder: Path, compiler: str, flags: str, include: list[Path]) -> None:
    """Precompile the core's headers in Jittor's folder, before the core is compiled there.

    Args:
        folder: Jittor's folder for these compilers and flags.
        compiler: the C++ compiler.
        flags: the user's own flags.
        include: folders of Jittor's and Python's headers.
    """
    wanted = [*shlex.split(_CORE_FLAGS), *shlex.split(flags), *(f"-I{path}" for path in include)]
    if " " not in str(folder):  # Jittor passes flags through a shell, and its tuner splits them again
        _compile(folder / "core.h", _CORE, compiler, wanted)


def core_flags(folder: Path) -> str:
    """Compiler flags for the core's precompiled header: when the core is compiled and at every import."""
    header = folder / "core.h"
    return f"-include {header}" if header.is_file() else ""


def operator_flags(core_command: Sequence[str], folder: Path) -> list[str]:
    """Flags with which Jittor will compile operators, by those of a source of its core.

    Args:
        core_command: with "-c", without source and output.
        folder: Jittor's folder for these compilers and flags.
    """
    of_core = {"-O2", "-c", *shlex.split(core_flags(folder))}
    _, *flags = core_command
    kernels = shlex.split(os.environ.get("kernel_flags", ""))  # noqa: SIM112  Jittor's own name
    return [*(flag for flag in flags if flag not in of_core), *kernels, *_KERNEL_FLAGS]


def compile_operator_headers(folder: Path, compiler: str, flags: list[str]) -> None:
    """Precompile the operators' headers in Jittor's folder.

    Args:
        folder: Jittor's folder for these compilers and flags.
        compiler: the C++ compiler.
        flags: of operators, without the linker's.
    """
    if " " not in str(folder):
        # -g: Jittor's tuner finds lines in the assembly by the debugging information.
        _compile(folder / _OPERATORS_H, _OPERATORS, compiler, [*flags, "-g"])


def use_operator_headers(
    jittor: ModuleType, folder: Path, compiler: str, compiled_with: list[str] | None = None
) -> None:
    """Compile all further operators with precompiled headers of their own, not the core's.

    Args:
        jittor: the module, just imported.
        folder: Jittor's folder for these compilers and flags.
        compiler: the C++ compiler.
        compiled_with: flags for which the headers were precompiled just now, if they were.
    """
    flags, header = jittor.flags.cc_flags.replace(core_flags(folder), ""), folder / _OPERATORS_H
    wanted = [flag for flag in shlex.split(flags) if not flag.startswith(_LINKER_FLAGS)]
    if not header.is_file() or compiled_with not in (None, wanted):
        compile_operator_headers(folder, compiler, wanted)
    jittor.flags.cc_flags = f"{flags} -include {header} " if header.is_file() else flags


def _compile(header: Path, text: str, compiler: str, flags: list[str]) -> None:
    """Write a header and its precompiled form; neither if it does not compile."""
    compiled = header.with_name(f"{header.name}.gch")
    source, made = partial_of(header), partial_of(compiled)
    source.write_text(text)
    command = [compiler, *flags, "-x", "c++-header", str(source), "-o", str(made)]
    if subprocess.run(command, capture_output=True).returncode == 0:
        os.replace(made, compiled)
        os.replace(source, header)
    source.unlink(missing_ok=True)
    made.unlink(missing_ok=True)
