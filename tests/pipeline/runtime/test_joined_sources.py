"""Joined sources give the library that single ones give; what compiles is a small core of the same kind."""

import ctypes
import json
import subprocess
import types
from pathlib import Path

import pytest

from pipeline.runtime import joined_sources
from pipeline.runtime.joined_sources import CoreCompiler, compile_joined, leave_joined

ORDER = (
    "struct Order{1} {{ Order{1}() {{ extern int made[], count; made[count++] = {0}; }} }};\n"
    "Order{1} order_{1};\n"
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
    compiler = compile_joined(utils, folder)
    utils.run_cmds(commands, "", "", "Compiling core")
    compiler.headers_compiled_with()
    return utils


def linked(folder: Path, names: str) -> ctypes.CDLL:
    library = folder / "core.so"
    objects = [f"{folder / name}.cc.o" for name in names]
    subprocess.run(["g++", "-shared", *objects, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def test_a_joined_core_computes_the_same_in_the_same_order(tmp_path, capfd):
    names = "abcdefghijklmnop"
    compiled_by(tmp_path, core(tmp_path, names))
    assert "one by one" not in capfd.readouterr().err
    library = linked(tmp_path, names)
    made = (ctypes.c_int * len(names)).in_dll(library, "made")
    assert list(made) == list(range(len(names)))
    for number, name in enumerate(names):
        assert getattr(library, f"_Z6from_{name}i")(100) == 100 + number


def test_functions_of_the_same_name_stay_those_of_their_source(tmp_path, capfd):
    helper = (
        'static inline const char* helper() {{ return "{0}"; }}\nchar said_by_{0}() {{ return *helper(); }}\n'
    )
    compiled_by(tmp_path, core(tmp_path, "abc", {each: helper.format(each) for each in "ac"}))
    assert "one by one" not in capfd.readouterr().err
    library = linked(tmp_path, "abc")
    for name in "ac":
        said = getattr(library, f"_Z9said_by_{name}v")
        said.restype = ctypes.c_char
        assert said() == name.encode()


def test_sources_that_cannot_be_joined_are_compiled_alone(tmp_path, capfd):
    clash = dict.fromkeys("mn", "namespace { int helper = 1; }\n")
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
    compiler = compile_joined(utils, tmp_path)
    data = tmp_path / "data.cc"
    data.write_text("int data() { return 7; }\n")
    utils.run_cmd(f'"g++" -fPIC -O1 "{data}" -c -o "{tmp_path}/data.o"')
    data.unlink()
    utils.run_cmds(core(tmp_path, "a"), "", "", "Compiling core")
    compiler.headers_compiled_with()
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


def test_the_record_names_objects(tmp_path):
    generated = tmp_path / "gen"
    generated.mkdir()
    compiled_by(tmp_path, core(tmp_path, "ab") + core(generated, "c"))
    record = json.loads((tmp_path / "joined.json").read_text())
    assert sorted(record["objects"]) == [
        f"{path}.cc.o" for path in (tmp_path / "a", tmp_path / "b", generated / "c")
    ]
    assert record["bindings"] == [f"{generated}/c.cc"]
    assert record["utilities"] is False


def test_what_nothing_calls_is_an_object_with_the_names_that_others_use(tmp_path):
    tests = tmp_path / "src" / "test"
    tests.mkdir(parents=True)
    (tests / "test_x.cc").write_text("no C++\n")
    example = tmp_path / "cpu_cnn_inference_f32.cpp"
    example.write_text("no C++\n")
    caller = {"b": "int mkl_test_entry();\nint result() { return mkl_test_entry(); }\n"}
    left_out = [f'"g++" "{path}" -c -o "{tmp_path / path.name}.o"' for path in (tests / "test_x.cc", example)]
    compiled_by(tmp_path, core(tmp_path, "ab", caller) + left_out)
    command = ["g++", "-shared", *map(str, tmp_path.glob("*.o")), "-o", str(tmp_path / "core.so")]
    subprocess.run(command, check=True)
    assert ctypes.CDLL(str(tmp_path / "core.so"))._Z6resultv() == 1  # the example reports that it failed
    recorded = json.loads((tmp_path / "joined.json").read_text())["objects"]
    assert {Path(each).name for each in recorded} >= {"test_x.cc.o", "cpu_cnn_inference_f32.cpp.o"}


@pytest.mark.parametrize("clash", [False, True])
def test_the_library_of_utilities_is_compiled_once_from_one_source(tmp_path, clash, capfd):
    core(tmp_path, "ab", dict.fromkeys("ab", "namespace { int helper = 1; }\n") if clash else None)
    compiler = CoreCompiler(tmp_path, run_cmd=None, workers=1)
    library = tmp_path / "utilities.so"
    compiler.make_utilities(f'"g++" "{tmp_path}/a.cc" "{tmp_path}/b.cc" -fPIC -shared -O1 -o "{library}"')
    assert ctypes.CDLL(str(library))._Z6from_bi(100) == 101
    assert ("one by one" in capfd.readouterr().err) is clash
    assert json.loads((tmp_path / "joined.json").read_text())["utilities"] is True
    assert not (tmp_path / "joined-utilities.cc").exists()


@pytest.mark.parametrize("recorded", [False, True])
def test_the_next_start_imports_the_library_of_utilities_as_it_is(tmp_path, recorded):
    if recorded:
        (tmp_path / "joined.json").write_text('{"objects": [], "bindings": [], "utilities": true}')
    utils = types.SimpleNamespace(run_cmds=None, cc=None)
    leave_joined(utils, tmp_path)
    assert (utils.cc is not None) is recorded


@pytest.mark.parametrize(
    ("compiler", "is_gcc"), [("g++", True), ("x86_64-linux-gnu-g++-12", True), ("clang++", False)]
)
def test_only_gcc_is_told_how_to_collect_garbage(tmp_path, compiler, is_gcc):
    """What stands for the compiler writes its arguments into the object."""
    script = tmp_path / compiler
    script.write_text('#!/bin/sh\nfor last; do :; done\necho "$@" > "$last"\n')
    script.chmod(0o700)
    (tmp_path / "executor.cc").write_text("")
    compiled_by(tmp_path, [f'"{script}" "{tmp_path}/executor.cc" -c -o "{tmp_path}/executor.o"'])
    assert ("ggc-min-heapsize" in (tmp_path / "executor.o").read_text()) is is_gcc


def test_the_headers_of_operators_are_precompiled_beside_the_core(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(joined_sources, "compile_operator_headers", lambda *given: asked.append(given))
    utils = types.SimpleNamespace(run_cmd=None, run_cmds=None)
    compiler = compile_joined(utils, tmp_path)
    assert compiler.headers_compiled_with() is None
    for _ in range(2):  # once, by the flags of the core's own sources
        utils.run_cmds(core(tmp_path, "a"), "", "", "Compiling core")
    flags = ["-std=c++14", "-fPIC", "-O1", "-fopenmp", "-Ofast"]
    assert compiler.headers_compiled_with() == flags
    assert asked == [(tmp_path, "g++", flags)]
