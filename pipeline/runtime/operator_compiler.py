"""Compiles Jittor's operators without starting a Python process for each.

Jittor 1.3.11 compiles a CPU operator with a Python script, which compiles to assembly with debugging
information, edits the passages that the source marks, and assembles the result. Most sources mark nothing:
those are passed directly to the compiler here, with the same resulting code.
"""

import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType

from pipeline.runtime.compiler_script import written_script

_MARK = "@begin"  # in the source, before a passage that the script edits
_SCRIPT = """#!/bin/sh
# Jittor calls this as its Python, with its asm_tuner.py, and how an operator is compiled.
case "$1" in
*/asm_tuner.py)
    for argument; do
        case "$argument" in *_op.cc) source=$argument ;; esac
    done
    if [ -f "$source" ] && ! grep -q {mark} "$source"; then
        compiler=${{2#--cc_path=}}
        shift 2
        exec "$compiler" "$@" {linker}
    fi
    ;;
esac
exec {python} "$@"
"""


def operator_script(python: str) -> str:
    """Text of the script that Jittor runs as its `python` to compile an operator."""
    # Linking against Jittor's core takes the default linker three times as long.
    linker = "-fuse-ld=gold" if shutil.which("ld.gold") else ""
    return _SCRIPT.format(mark=_MARK, linker=linker, python=shlex.quote(python))


def compile_operators_directly(jittor: ModuleType, folder: Path) -> None:
    """Make Jittor compile all further operators with the script.

    Args:
        jittor: the module, just imported for the processor.
        folder: Jittor's folder for these compilers and flags.
    """
    if script := written_script(folder / "operator-compiler", operator_script(sys.executable)):
        jittor.flags.python_path = script
