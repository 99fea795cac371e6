"""How far each source is optimised, and what takes the place of one that is not needed."""

import shlex
from pathlib import Path

import pytest

from pipeline.runtime.core_sources import Source, parsed


def test_a_command_is_read_as_a_shell_reads_it():
    source = parsed('"/a b/g++" "/c d/x.cc"  -I"/e f"  -O2   -c -o "/g h/x.cc.o"')
    assert source.compiled_from(source.path) == shlex.split(
        '"/a b/g++" "/c d/x.cc" -I"/e f" -O2 -c -o "/g h/x.cc.o"'
    )


@pytest.mark.parametrize(
    ("path", "level"),
    [
        ("/opt/env/src/jittor/src/opt/pass/x.cc", ["-O1"]),
        ("/opt/env/src/jittor/src/ops/x.cc", []),
        ("/opt/env/jittor/src/op_compiler.cc", ["-O1"]),
        ("/opt/env/jittor/src/misc/miniz.cc", ["-Og"]),
        ("/test/default/gen/pyjt_x.cc", ["-Og"]),
        ("/test/default/custom_ops/x.cc", []),
        ("/opt/test/jittor/src/ops/x.cc", []),
    ],
)
def test_what_no_step_waits_for_is_compiled_quickly(path, level):
    flags = parsed(f'g++ "{path}" -fPIC -O2 -c -o x.o').command
    assert flags == ("g++", "-fPIC", "-O2", "-c", *level)
    assert parsed(f'g++ "{path}" -O0 -c -o x.o').command == ("g++", "-O0", "-c")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/opt/env/jittor/src/test/test_x.cc", ""),
        ("/cache/default/gen/pyjt_jit_tests.cc", "pyjt_def_jit_tests"),
        ("/opt/env/jittor/extern/mkl/ops/cpu_cnn_inference_f32.cpp", "mkl_test_entry"),
        ("/opt/test/jittor/src/ops/x.cc", None),
        ("/test/gen/pyjt_all.cc", None),
    ],
)
def test_what_nothing_calls_is_left_out(path, name):
    text = Source(Path(path), Path("x.o"), ("g++",)).stand_in
    assert text is None if name is None else name in text
