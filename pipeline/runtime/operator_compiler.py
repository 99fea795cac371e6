"""Jittor's operators compile without a Python process each.

Jittor 1.3.11 compiles an operator for the processor by a script: a Python starts, has the compiler write
assembly with debugging information, edits the places that the source marks, and has it assembled. Most
operators mark nothing. Those go straight to the compiler here; their code is the same.
"""

import os
import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType

from pipeline.storage.files import replacing

_MARK = "@begin"  # in the source, before a place that the script edits
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
    """The script that stands in for `python` where Jittor compiles an operator."""
    # Linking against Jittor's core takes the older linker three times as long.
    linker = "-fuse-ld=gold" if shutil.which("ld.gold") else ""
    return _SCRIPT.format(mark=_MARK, linker=linker, python=shlex.quote(python))


def compile_operators_directly(jittor: ModuleType, folder: Path) -> None:
    """Use the script for all operators that are compiled from now on.

    Args:
        jittor: the module, just imported for the processor.
        folder: Jittor's folder for these compilers and flags.
    """
    script, text = folder / "operator-compiler", operator_script(sys.executable)
    if not script.is_file() or script.read_text() != text:
        with replacing(script) as partial:
            partial.write_text(text)
            partial.chmod(0o700)
    if " " not in str(script) and os.access(script, os.X_OK):  # Jittor hands the command to a shell
        jittor.flags.python_path = str(script)
