"""What is compiled before a stage needs it, and that what goes wrong is left to the stage."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.native.build import BuildError
from pipeline.runtime import compile_core
from pipeline.runtime.jittor_cache import JittorBuildError
from pipeline.runtime.jittor_setup import JittorSetup, JittorStartError


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

    monkeypatch.setattr(compile_core, "_compile_for_processor", compile_for_processor)
    monkeypatch.setattr(compile_core.native, "load", load)
    compile_core.main("cpu")
    assert sorted(asked) == ["cpu", "crops"]
    output = capfd.readouterr()
    assert (output.out, output.err) == ("compiling\n", "")


@pytest.mark.parametrize(
    ("card", "built", "compiled"), [(None, False, True), (None, True, False), ("card", False, False)]
)
def test_the_core_is_compiled_for_the_processor_where_it_is_missing(card, built, compiled, monkeypatch):
    asked, joined = [], []
    setup = JittorSetup("g++", card, None, Path("folder"), ())
    kernels = SimpleNamespace(join=lambda: joined.append(True))
    monkeypatch.setattr(compile_core, "set_up", lambda device, threads: setup)
    monkeypatch.setattr(compile_core, "is_built", lambda folder: built)
    monkeypatch.setattr(
        compile_core, "compile_core_and_kernels", lambda *given: asked.append(given) or kernels
    )
    monkeypatch.setattr(compile_core.native, "load", lambda: None)
    compile_core.main("auto")
    assert [each for each, _ in asked] == ([setup] if compiled else [])
    assert bool(joined) is compiled
