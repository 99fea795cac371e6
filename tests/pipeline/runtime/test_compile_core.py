"""What is compiled before a stage needs it, and that what goes wrong is left to the stage."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.native.build import BuildError
from pipeline.runtime import compile_core, start_jittor
from pipeline.runtime.jittor_cache import JittorBuildError
from pipeline.runtime.start_jittor import JittorStartError


@pytest.mark.parametrize(
    "error", [None, JittorStartError("no card"), JittorBuildError("failed"), OSError("full")]
)
def test_all_is_compiled_and_no_error_is_shown(error, monkeypatch, capfd):
    asked = []

    def compile_for_processor(device, say):
        asked.append(device)
        say("compiling")
        if error:
            raise error

    def load():
        asked.append("crops")
        if error:
            raise BuildError("augment: no C++ compiler found")

    monkeypatch.setattr(compile_core, "compile_for_processor", compile_for_processor)
    monkeypatch.setattr(compile_core.native, "load", load)
    compile_core.main("cpu")
    assert sorted(asked) == ["cpu", "crops"]
    output = capfd.readouterr()
    assert (output.out, output.err) == ("compiling\n", "")


@pytest.mark.parametrize(
    ("card", "built", "compiled"), [(False, False, True), (False, True, False), (True, False, False)]
)
def test_the_core_is_compiled_for_the_processor_where_it_is_missing(card, built, compiled, monkeypatch):
    asked, joined = [], []
    monkeypatch.setattr(start_jittor, "_find_compiler", lambda: "g++")
    monkeypatch.setattr(
        start_jittor, "_choose_device", lambda device, compiler: ("card" if card else None, ())
    )
    monkeypatch.setattr(start_jittor, "_choose_onednn", lambda: (None, ()))
    monkeypatch.setattr(start_jittor, "_set_up", lambda *given: Path("folder"))
    monkeypatch.setattr(start_jittor, "is_built", lambda folder: built)
    kernels = SimpleNamespace(join=lambda: joined.append(True))
    monkeypatch.setattr(start_jittor, "_compile", lambda *given: asked.append(given) or kernels)
    start_jittor.compile_for_processor("auto", say=print)
    assert asked == ([(Path("folder"), "g++", None, None, print)] if compiled else [])
    assert bool(joined) is compiled
