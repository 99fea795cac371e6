"""Precompiled headers for Jittor: its core and its operators then compile in half the time.

The core has 157 source files, and a network's step needs hundreds of operators with a file each. All include
the same headers, and parsing these took most of the compile time. A compiler whose flags do not fit the
precompiled headers parses the headers as usual. For the processor only.
"""

import os
import shlex
import subprocess
from pathlib import Path
from types import ModuleType

from pipeline.storage.files import partial_of

# What most files of Jittor 1.3.11 include.
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
# The macros come first, as in an operator's source: headers ask for them.
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
# Jittor's own, for the core; where a version has others, the compiled header is not used.
_CORE_FLAGS = "-Wall -Wno-unknown-pragmas -std=c++14 -fPIC -march=native -O2"
_OF_THE_LINKER = ("-l", "-L", "-Wl,", "-shared")


def compile_core_headers(folder: Path, compiler: str, flags: str, include: list[Path]) -> None:
    """Precompile the core's headers in Jittor's folder, before the core is compiled there.

    Args:
        folder: Jittor's folder for these compilers and flags.
        compiler: the C++ compiler.
        flags: the user's own flags.
        include: folders of Jittor's and Python's headers.
    """
    wanted = [*shlex.split(_CORE_FLAGS), *shlex.split(flags), *(f"-I{path}" for path in include)]
    if " " not in str(folder):  # Jittor hands flags to a shell, and its tuner splits them again
        _compile(folder / "core.h", _CORE, compiler, wanted)


def core_flags(folder: Path) -> str:
    """Compiler flags of the core, needed when it is compiled and at every later import."""
    header = folder / "core.h"
    return f"-include {header}" if header.is_file() else ""


def use_operator_headers(jittor: ModuleType, folder: Path, compiler: str) -> None:
    """Have all operators that are compiled from now on use precompiled headers of their own, not the core's.

    Args:
        jittor: the module, just imported.
        folder: Jittor's folder for these compilers and flags.
        compiler: the C++ compiler.
    """
    flags, header = jittor.flags.cc_flags.replace(core_flags(folder), ""), folder / "operators.h"
    if " " not in str(header) and not header.is_file():
        wanted = [flag for flag in shlex.split(flags) if not flag.startswith(_OF_THE_LINKER)]
        # -g: Jittor finds its way through what the compiler wrote by that.
        _compile(header, _OPERATORS, compiler, [*wanted, "-g"])
    jittor.flags.cc_flags = f"{flags} -include {header} " if header.is_file() else flags


def _compile(header: Path, text: str, compiler: str, flags: list[str]) -> None:
    """Write a header and its precompiled form, or neither if it does not compile."""
    compiled = header.with_name(f"{header.name}.gch")
    source, made = partial_of(header), partial_of(compiled)
    source.write_text(text)
    command = [compiler, *flags, "-x", "c++-header", str(source), "-o", str(made)]
    if subprocess.run(command, capture_output=True).returncode == 0:
        os.replace(made, compiled)
        os.replace(source, header)
    source.unlink(missing_ok=True)
    made.unlink(missing_ok=True)
