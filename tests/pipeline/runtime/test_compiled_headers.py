"""Compiled headers are made whole or not at all, and the compiler takes them."""

import shlex
import subprocess
from pathlib import Path

from pipeline.runtime.compiled_headers import compile_core_headers, core_flags


def headers(folder: Path, text: str = "struct Var {};\n") -> Path:
    """What stands for Jittor's sources."""
    for name in ("executor.h", "op.h", "var.h", "ops/op_register.h"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"#pragma once\n{text if name == 'var.h' else ''}")
    return folder


def test_the_core_is_told_of_headers_that_compile(tmp_path):
    assert core_flags(tmp_path) == ""
    compile_core_headers(tmp_path, "g++", "-DUSERS", [headers(tmp_path / "src")])
    assert {path.name for path in tmp_path.glob("core*")} == {"core.h", "core.h.gch"}
    assert core_flags(tmp_path) == f"-include {tmp_path / 'core.h'}"


def test_headers_that_do_not_compile_leave_nothing(tmp_path):
    compile_core_headers(tmp_path, "g++", "", [headers(tmp_path / "src", "no C++\n")])
    assert [path.name for path in tmp_path.iterdir()] == ["src"]
    assert core_flags(tmp_path) == ""


def test_a_folder_with_a_space_gets_none(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    compile_core_headers(folder, "g++", "", [headers(tmp_path / "src")])
    assert list(folder.iterdir()) == []


def test_operators_start_from_compiled_headers(jt, tmp_path):
    """With the flags that Jittor gives its compiler; -g is the tuner's."""
    flags = jt.flags.cc_flags
    if jt.flags.use_cuda:
        assert "operators.h" not in flags
        return
    assert "core.h" not in flags
    (tmp_path / "operator.cc").write_text('#define JIT 1\n#define JIT_cpu 1\n#include "var.h"\n')
    wanted = [flag for flag in shlex.split(flags) if not flag.startswith(("-l", "-L", "-Wl,", "-shared"))]
    wanted += ["-g", "-Werror", "-Winvalid-pch"]
    command = [jt.flags.cc_path, *wanted, "-S", "operator.cc", "-o", "operator.s"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
