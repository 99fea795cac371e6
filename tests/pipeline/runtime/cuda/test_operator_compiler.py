"""An operator that calls a function is C++ for nvcc, one with a kernel CUDA; C++14 but for CUB's."""

import subprocess

import pytest

from pipeline.runtime.cuda.operator_compiler import operator_script

CALL = '#include "ops/code_op.h"\nextern "C" void f(float*);\nvoid run(float* a) { f(a); }\n'


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """What nvcc is asked for a source, and the flags appended to it."""
    monkeypatch.setenv("NVCC_APPEND_FLAGS", "-std=c++17 -lineinfo")
    nvcc, script = tmp_path / "a folder" / "nvcc", tmp_path / "script"
    nvcc.parent.mkdir()
    nvcc.write_text('#!/bin/sh\nfor argument; do echo "$argument"; done\necho "$NVCC_APPEND_FLAGS"\n')
    script.write_text(operator_script(nvcc))
    for file in (nvcc, script):
        file.chmod(0o700)

    def asked(text: str) -> tuple[list[str], str]:
        source = tmp_path / "a_op.cc"
        source.write_text(text)
        arguments = [source, '-I"two words"', "-x", "cu", "-o", "a b.so", "cu"]
        done = subprocess.run([script, *arguments], capture_output=True, text=True, check=True)
        *given, appended = done.stdout.splitlines()[1:]
        return given, appended

    return asked


C14, C17 = "-std=c++17 -lineinfo -std=c++14", "-std=c++17 -lineinfo"


def test_a_call_is_cpp(asked):
    assert asked(CALL) == (['-I"two words"', "-x", "c++", "-o", "a b.so", "cu"], C14)


@pytest.mark.parametrize(
    ("text", "appended"),
    [
        (CALL + "__global__ void kernel(float*);\n", C14),
        (CALL + "void g() { kernel<<<1, 1>>>(); }\n", C14),
        (CALL + "#include <thrust/sort.h>\n", C17),
        ('#include "ops/array_op.h"\n', C14),
        ("#include <cub/cub.cuh>\n", C17),
    ],
)
def test_all_else_is_cuda(asked, text, appended):
    assert asked(text) == (['-I"two words"', "-x", "cu", "-o", "a b.so", "cu"], appended)
