"""One process builds the core, whole or again; what compiles is a stand-in."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pipeline.runtime.jittor_cache import JittorBuildError, build_once, is_built, jittor_folder

ROOT = Path(__file__).resolve().parents[3]
NO_HEADERS = {"compiler": "g++", "on_device": True}


def fake_interpreter(tmp_path: Path, monkeypatch, script: str) -> None:
    """Let `script` take the place of the process that compiles."""
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\ncd {tmp_path}\necho call >> calls\n{script}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))


FINISH = "echo '{\"seconds\": 1.0}' > cache/core/built.json"


def calls(tmp_path: Path) -> int:
    return (tmp_path / "calls").read_text().count("call")


def test_a_half_built_core_is_wiped_and_built_again(tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "core"
    folder.mkdir(parents=True)
    (folder / "half.o").write_text("")
    fake_interpreter(tmp_path, monkeypatch, FINISH)
    messages: list[str] = []
    build_once(folder, None, messages.append, **NO_HEADERS)
    assert is_built(folder)
    assert not (folder / "half.o").exists()
    assert "never finished" in messages[0]


def test_please_rerun_is_obeyed_once(tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "core"
    fake_interpreter(tmp_path, monkeypatch, f"test $(wc -l < calls) -ge 2 && {FINISH}\nexit 0")
    build_once(folder, None, lambda message: None, **NO_HEADERS)
    assert is_built(folder)
    assert calls(tmp_path) == 2


def test_please_rerun_for_ever_is_an_error(tmp_path, monkeypatch):
    fake_interpreter(tmp_path, monkeypatch, "exit 0")
    with pytest.raises(JittorBuildError, match="exit code 0"):
        build_once(tmp_path / "cache" / "core", None, lambda message: None, **NO_HEADERS)
    assert calls(tmp_path) == 2


def test_a_failed_build_shows_the_end_of_its_log(tmp_path, monkeypatch):
    fake_interpreter(tmp_path, monkeypatch, "echo 'fatal error: no space left' >&2\nexit 1")
    with pytest.raises(JittorBuildError, match="no space left"):
        build_once(tmp_path / "cache" / "core", None, lambda message: None, **NO_HEADERS)
    assert calls(tmp_path) == 1


def test_one_builds_and_others_wait(tmp_path, monkeypatch):
    fake_interpreter(tmp_path, monkeypatch, f"sleep 1\n{FINISH}")
    code = f"""
    import sys
    from pathlib import Path
    sys.executable = {sys.executable!r}
    from pipeline.runtime.jittor_cache import build_once
    sys.executable = {str(tmp_path / "python")!r}
    build_once(Path({str(tmp_path / "cache" / "core")!r}), None, print, compiler="g++", on_device=True)
    """
    monkeypatch.undo()
    command = [sys.executable, "-c", textwrap.dedent(code)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    messages = sorted(process.communicate(timeout=60)[0] for process in both)
    assert calls(tmp_path) == 1
    assert sum("waiting for it" in text for text in messages) == 1


def test_flags_of_nvcc_count_for_a_card_only(tmp_path, monkeypatch):
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path))
    monkeypatch.delenv("NVCC_APPEND_FLAGS", raising=False)
    cpu, card = (jittor_folder("g++", onednn=None, cuda=cuda) for cuda in (None, ("13.0.88",)))
    assert card != jittor_folder("g++", onednn=None, cuda=("13.0.89",))
    monkeypatch.setenv("NVCC_APPEND_FLAGS", "-std=c++17")
    assert cpu == jittor_folder("g++", onednn=None)
    assert card != jittor_folder("g++", onednn=None, cuda=("13.0.88",))
