"""Compiles operators that only call a function of a library without nvcc's passes for the device.

Jittor 1.3.11 gives every operator of a GPU to nvcc as CUDA. One that holds no kernel needs the C++ compiler
alone: 1.4 s of processor time in place of 4.2 s (CUDA 13.0, GCC 12). nvcc still calls it, with its own flags.
"""

import shlex
from pathlib import Path
from types import ModuleType

from pipeline.runtime.compiler_script import written_script

_SCRIPT = """#!/bin/sh
# Jittor calls this as its nvcc, for operators.
for argument; do
    case "$argument" in *_op.cc) source=$argument ;; esac
done
if grep -q ops/code_op.h "$source" && ! grep -Eq '__global__|__device__|<<<|cub|thrust' "$source"; then
    for argument; do
        shift
        [ "$argument" = cu ] && [ "$before" = -x ] && argument=c++
        set -- "$@" "$argument"
        before=$argument
    done
fi
exec {nvcc} "$@"
"""


def operator_script(nvcc: Path) -> str:
    """Text of the script that Jittor runs as its nvcc to compile an operator."""
    return _SCRIPT.format(nvcc=shlex.quote(str(nvcc)))


def compile_calls_as_cpp(jittor: ModuleType, folder: Path, nvcc: Path) -> None:
    """Make Jittor compile all further operators with the script.

    Args:
        jittor: the module, just imported for a GPU.
        folder: Jittor's folder for these compilers and flags.
        nvcc: the compiler that its core was compiled with.
    """
    if script := written_script(folder / "device-operator-compiler", operator_script(nvcc)):
        jittor.flags.nvcc_path = script
