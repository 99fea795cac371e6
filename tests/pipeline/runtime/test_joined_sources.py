"""Joined sources give the library that single ones give; what compiles is a small core of the same kind."""

import ctypes
import json
import shlex
import subprocess
import types
from pathlib import Path

import pytest

from pipeline.runtime.joined_sources import compile_joined, joined_text, leave_joined, parsed, parts

ORDER = (
    "struct Order {{ Order() {{ extern int made[]; extern int count; made[count++] = {}; }} }} order_{};\n"
)
# The same name for two things, as Jittor's operators have it.
CONSTRUCTOR = (
    "static auto make_it = [](int x) {{ return x + {}; }};\nint from_{}(int x) {{ return make_it(x); }}\n"
)


def core(folder: Path, names: str, extra: dict[str, str] | None = None) -> list[str]:
    """Commands as Jittor's for a source of each letter; its objects are made in the order of linking."""
    commands = []
    for number, name in enumerate(names):
        text = ORDER.format(number, name) + CONSTRUCTOR.format(number, name) + (extra or {}).get(name, "")
        if not number:
            text = f"int made[{len(names)}];\nint count = 0;\n" + text
        source = folder / f"{name}.cc"
        source.write_text(text)
        commands.append(f'"g++" "{source}"   -std=c++14 -fPIC  -O1   -c -o "{folder / name}.cc.o"')
    return commands


def compiled_by(folder: Path, commands: list[str]) -> types.SimpleNamespace:
    """Jittor's module with the two functions, after it has compiled the commands."""
    shell = lambda command: subprocess.run(command, shell=True, check=True)  # noqa: E731
    utils = types.SimpleNamespace(run_cmd=shell, run_cmds=None)
    compile_joined(utils, folder)
    utils.run_cmds(commands, "", "", "Compiling core")
    return utils


def linked(folder: Path, names: str) -> ctypes.CDLL:
    library = folder / "core.so"
    objects = [f"{folder / name}.cc.o" for name in names]
    subprocess.run(["g++", "-shared", *objects, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def test_a_joined_core_computes_the_same_in_the_same_order(tmp_path):
    names = "abcdefghijklmnop"
    compiled_by(tmp_path, core(tmp_path, names))
    library = linked(tmp_path, names)
    made = (ctypes.c_int * len(names)).in_dll(library, "made")
    assert list(made) == list(range(len(names)))
    for number, name in enumerate(names):
        assert getattr(library, f"_Z6from_{name}i")(100) == 100 + number


def test_sources_that_cannot_be_joined_are_compiled_alone(tmp_path, capfd):
    clash = dict.fromkeys("mn", "static int helper() { return 1; }\n")
    names = "abcdefghijklmnop"
    compiled_by(tmp_path, core(tmp_path, names, clash))
    assert "one by one" in capfd.readouterr().err
    assert linked(tmp_path, names)._Z6from_mi(0) == 12
    assert [path.name for path in tmp_path.glob("joined-from-*")] == []


def test_an_error_of_the_compiler_is_shown(tmp_path):
    commands = core(tmp_path, "ab", {"b": "int wrong = missing;\n"})
    with pytest.raises(RuntimeError, match="missing"):
        compiled_by(tmp_path, commands)


def test_the_source_with_data_is_compiled_though_it_is_removed(tmp_path):
    utils = types.SimpleNamespace(run_cmd=None, run_cmds=None)
    compile_joined(utils, tmp_path)
    data = tmp_path / "data.cc"
    data.write_text("int data() { return 7; }\n")
    utils.run_cmd(f'"g++" -fPIC -O1 "{data}" -c -o "{tmp_path}/data.o"')
    data.unlink()
    utils.run_cmds(core(tmp_path, "a"), "", "", "Compiling core")
    objects = [str(tmp_path / name) for name in ("a.cc.o", "data.o")]
    subprocess.run(["g++", "-shared", *objects, "-o", str(tmp_path / "core.so")], check=True)
    assert ctypes.CDLL(str(tmp_path / "core.so"))._Z4datav() == 7
    assert not (tmp_path / "core-data.cc").exists()


def test_other_commands_run_as_before(tmp_path):
    asked = []
    utils = types.SimpleNamespace(run_cmd=lambda *given, **named: asked.append((given, named)) or "out")
    compile_joined(utils, tmp_path)
    assert utils.run_cmd("g++ --version", print_error=False) == "out"
    assert asked == [(("g++ --version",), {"print_error": False})]


def test_what_is_compiled_twice_is_compiled_quickly_first(tmp_path):
    asked = []
    utils = types.SimpleNamespace(run_cmd=asked.append, run_cmds=None)
    compile_joined(utils, tmp_path)
    utils.run_cmd('g++ "a.cc" -O2 -o "/cache/jit_utils_core.cpython-311-x86_64-linux-gnu.so"')
    utils.run_cmd('g++ "/jit_utils_core.cc" -O2 -o "/cache/other.so"')
    assert asked == [
        'g++ "a.cc" -O0 -o "/cache/jit_utils_core.cpython-311-x86_64-linux-gnu.so"',
        'g++ "/jit_utils_core.cc" -O2 -o "/cache/other.so"',
    ]


def test_the_next_start_compiles_none_of_them_again(tmp_path):
    commands = core(tmp_path, "abc")
    compiled_by(tmp_path, commands)
    asked = []
    utils = types.SimpleNamespace(run_cmds=lambda commands, *others: asked.append((commands, others)))
    leave_joined(utils, tmp_path)
    utils.run_cmds(commands, "cache", "jittor", "Compiling core")
    assert asked == []
    other = f'"g++" "{tmp_path / "new.cc"}" -c -o "{tmp_path / "new.o"}"'
    utils.run_cmds([*commands, other], "cache", "jittor", "Compiling more")
    assert asked == [([other], ("cache", "jittor", "Compiling more"))]


def test_a_core_that_was_not_joined_is_looked_at_by_jittor(tmp_path):
    utils = types.SimpleNamespace(run_cmds=list)
    leave_joined(utils, tmp_path)
    assert utils.run_cmds is list


def test_neighbours_with_the_same_flags_are_joined(tmp_path):
    commands = core(tmp_path, "abcde")
    commands[2] = commands[2].replace("-O1", "-O2")
    alone = tmp_path / "executor.cc"
    alone.write_text("")
    commands.insert(1, commands[0].replace("a.cc", "executor.cc"))
    found = parts([parsed(each) for each in commands], most=10)
    assert ["".join(each.path.stem for each in part) for part in found] == ["a", "executor", "b", "c", "de"]
    assert [len(part) for part in parts([parsed(each) for each in core(tmp_path, "abcde")], most=2)] == [
        2,
        2,
        1,
    ]


def test_a_command_is_read_as_a_shell_reads_it(tmp_path):
    source = parsed('"/a b/g++" "/c d/x.cc"  -I"/e f"  -O2   -c -o "/g h/x.cc.o"')
    assert source.compiled_from(source.path) == shlex.split(
        '"/a b/g++" "/c d/x.cc" -I"/e f" -O2 -c -o "/g h/x.cc.o"'
    )
    (tmp_path / "x.cc").write_text("static auto make_x = 1;\n")
    text = joined_text([parsed(f'g++ "{tmp_path}/x.cc" -c -o x.o')])
    assert text == f'#define make_x make_x_0\n#include "{tmp_path}/x.cc"\n#undef make_x\n'


@pytest.mark.parametrize(
    ("path", "level"),
    [
        ("/opt/env/src/jittor/src/opt/pass/x.cc", ["-O1"]),
        ("/opt/env/src/jittor/src/ops/x.cc", []),
        ("/opt/env/jittor/src/op_compiler.cc", ["-O1"]),
        ("/test/default/gen/pyjt_x.cc", ["-O1"]),
        ("/test/default/custom_ops/x.cc", []),
        ("/opt/test/jittor/src/ops/x.cc", []),
        ("/opt/env/jittor/src/test/x.cc", ["-O0"]),
        ("/test/default/gen/pyjt_jit_tests.cc", ["-O0"]),
        ("/opt/env/jittor/extern/mkl/ops/cpu_cnn_inference_f32.cpp", ["-O0"]),
    ],
)
def test_what_no_step_waits_for_is_compiled_quickly(path, level):
    flags = parsed(f'g++ "{path}" -fPIC -O2 -c -o x.o').command
    assert flags == ("g++", "-fPIC", "-O2", "-c", *level)
    assert parsed(f'g++ "{path}" -O0 -c -o x.o').command == ("g++", "-O0", "-c")


def test_the_record_names_objects(tmp_path):
    generated = tmp_path / "gen"
    generated.mkdir()
    compiled_by(tmp_path, core(tmp_path, "ab") + core(generated, "c"))
    record = json.loads((tmp_path / "joined.json").read_text())
    assert sorted(record["objects"]) == [
        f"{path}.cc.o" for path in (tmp_path / "a", tmp_path / "b", generated / "c")
    ]
    assert record["bindings"] == [f"{generated}/c.cc"]
