"""Operators that mark nothing for Jittor's script go straight to the compiler, all else as before."""

import subprocess
import sys

import numpy as np
import pytest

from pipeline.runtime.jittor_cache import jittor_folder
from pipeline.runtime.operator_compiler import operator_script


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "operator-compiler"
    path.write_text(operator_script(sys.executable))
    path.chmod(0o700)
    return path


def run(script, *arguments):
    return subprocess.run([script, *arguments], capture_output=True, text=True, cwd=script.parent)


def compile_arguments(script, text):
    source = script.parent / "a_op.cc"
    source.write_text(text)
    tuner = script.parent / "asm_tuner.py"
    tuner.write_text("import sys; print('tuned', sys.argv[1:])\n")
    return [tuner, "--cc_path=g++", source, "-shared", "-fPIC", "-o", script.parent / "a_op.so"]


def test_without_a_mark_the_compiler_runs_alone(script):
    done = run(script, *compile_arguments(script, 'extern "C" int seven() { return 7; }\n'))
    assert (done.returncode, done.stdout) == (0, "")
    import ctypes

    assert ctypes.CDLL(str(script.parent / "a_op.so")).seven() == 7


def test_a_mark_asks_for_the_script(script):
    done = run(script, *compile_arguments(script, '// @begin replace "a" "b"\n// @end\n'))
    assert done.stdout.startswith("tuned ['--cc_path=g++'")
    assert not (script.parent / "a_op.so").exists()


def test_a_compiler_that_fails_is_seen(script):
    done = run(script, *compile_arguments(script, "no C++\n"))
    assert done.returncode != 0
    assert "error" in done.stderr


def test_other_programs_are_pythons(script):
    done = run(script, "-c", "import sys; print(sys.executable)")
    assert done.stdout.strip() == sys.executable


def test_the_name_of_the_interpreter_moves_no_compiled_code(monkeypatch):
    """pytest and doit may call one interpreter python and python3.11: the core would be compiled twice."""
    before = jittor_folder("g++", onednn=None)
    monkeypatch.setattr(sys, "executable", f"{sys.executable}.other")
    assert jittor_folder("g++", onednn=None) == before


def test_jittor_uses_it(jt):
    if jt.flags.use_cuda:
        pytest.skip("operators of a card are compiled by another script")
    assert jt.flags.python_path.endswith("/operator-compiler")
    x = jt.array(np.arange(6, dtype=np.float32))
    assert (x * 3 + 1).sum().item() == 51
