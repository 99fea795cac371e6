"""Headers that Jittor's operators include, compiled once: an operator then compiles in half the time.

A step of a network is hundreds of operators, each a source file of its own that includes the same headers of
Jittor; reading these took three quarters of its compilation.
"""

import shlex
import subprocess
from pathlib import Path
from types import ModuleType

from pipeline.files import replacing

# What most operators of Jittor 1.3.11 include. The macros come first, as in their sources: headers ask for them.
_HEADER = """#define JIT 1
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
_OF_THE_LINKER = ("-l", "-L", "-Wl,", "-shared")


def use_operator_headers(jittor: ModuleType, folder: Path, compiler: str) -> bool:
    """Have the operators that are compiled from now on, for the processor, start from compiled headers.

    Args:
        jittor: started.
        folder: Jittor's own, for these compilers and flags.
        compiler: the C++ compiler.

    Returns:
        Whether they could be compiled. If not, and where the compiler finds that they do not fit the flags of
        an operator, it reads the headers as ever.
    """
    flags, header = jittor.flags.cc_flags, folder / "operators.h"
    if " " in str(header):  # Jittor hands flags to a shell, and its tuner splits them again
        return False
    if not header.with_suffix(".h.gch").is_file():
        with replacing(header) as partial:
            partial.write_text(_HEADER)
        wanted = [flag for flag in shlex.split(flags) if not flag.startswith(_OF_THE_LINKER)]
        with replacing(header.with_suffix(".h.gch")) as partial:
            # -g: Jittor finds its way through what the compiler wrote by that.
            command = [compiler, *wanted, "-g", "-x", "c++-header", str(header), "-o", str(partial)]
            partial.touch()
            if subprocess.run(command, capture_output=True).returncode:
                return False
    jittor.flags.cc_flags = f"{flags} -include {header} "
    return True
