"""An operator that calls a function is C++ for nvcc; one with a kernel is CUDA, as Jittor asks."""

import subprocess

import pytest

from pipeline.runtime.cuda.calling_operators import operator_script

CALL = '#include "ops/code_op.h"\nextern "C" void f(float*);\nvoid run(float* a) { f(a); }\n'


@pytest.fixture
def asked(tmp_path):
    """What nvcc is asked for a source."""
    nvcc, script = tmp_path / "a folder" / "nvcc", tmp_path / "script"
    nvcc.parent.mkdir()
    nvcc.write_text('#!/bin/sh\nfor argument; do echo "$argument"; done\n')
    script.write_text(operator_script(nvcc))
    for file in (nvcc, script):
        file.chmod(0o700)

    def asked(text: str) -> list[str]:
        source = tmp_path / "a_op.cc"
        source.write_text(text)
        arguments = [source, '-I"two words"', "-x", "cu", "-o", "a b.so", "cu"]
        done = subprocess.run([script, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[1:]

    return asked


def test_a_call_is_cpp(asked):
    assert asked(CALL) == ['-I"two words"', "-x", "c++", "-o", "a b.so", "cu"]


@pytest.mark.parametrize(
    "text",
    [
        CALL + "__global__ void kernel(float*);\n",
        CALL + "void g() { kernel<<<1, 1>>>(); }\n",
        CALL + "#include <thrust/sort.h>\n",
        '#include "ops/array_op.h"\n',
    ],
)
def test_all_else_is_cuda(asked, text):
    assert asked(text) == ['-I"two words"', "-x", "cu", "-o", "a b.so", "cu"]
