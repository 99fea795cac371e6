"""Half-written libraries are found by what their own header says; whole ones stay."""

import os
import subprocess
import threading
import time

import pytest

from pipeline.runtime import compiled_operators
from pipeline.runtime.compiled_operators import is_torn, remove_torn_operators


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The bytes of a real library."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "one.cc").write_text("int one() { return 1; }\n")
    subprocess.run(["g++", "-shared", "-fPIC", "one.cc", "-o", "one.so"], cwd=folder, check=True)
    return (folder / "one.so").read_bytes()


@pytest.fixture
def operators(tmp_path):
    folder = tmp_path / ".cache" / "jittor" / "jt1.3.11" / "g++" / "default" / "jit"
    folder.mkdir(parents=True)
    return folder


def put(folder, name, content, age=100.0):
    (folder / name).write_bytes(content)
    (folder / f"{name}.key").write_text("key")
    then = time.time() - age
    os.utime(folder / name, (then, then))
    return folder / name


def test_every_truncation_is_seen(library, tmp_path):
    assert not is_torn(put(tmp_path, "whole.so", library))
    for length in (0, 1, 63, 64, 500, len(library) // 2, len(library) - 1):
        assert is_torn(put(tmp_path, "torn.so", library[:length])), length
    assert is_torn(put(tmp_path, "zeros.so", bytes(len(library)))), "space that nothing was written to"
    assert not is_torn(put(tmp_path, "other.so", b"MachO" * 40))


def test_torn_ones_go_with_their_keys(library, operators, tmp_path):
    whole = put(operators, "whole.so", library)
    torn = [put(operators, f"{length}.so", library[:length]) for length in (0, 300)]
    said = []
    remove_torn_operators(tmp_path, said.append)
    assert whole.is_file()
    assert whole.with_name("whole.so.key").is_file()
    assert not any(path.exists() or path.with_name(f"{path.name}.key").exists() for path in torn)
    assert said == ["2 compiled operator(s) of a run that was killed were half-written: compiled again"]
    remove_torn_operators(tmp_path, said.append)
    assert len(said) == 1


def test_only_what_changed_since_is_read(library, operators, tmp_path, monkeypatch):
    put(operators, "old.so", library)
    remove_torn_operators(tmp_path, print)
    read = []
    monkeypatch.setattr(compiled_operators, "is_torn", lambda path: read.append(path.name) or False)
    put(operators, "new.so", library, age=-5)
    remove_torn_operators(tmp_path, print)
    assert read == ["new.so"]


def test_one_that_is_being_written_is_waited_for(library, operators, tmp_path):
    path = put(operators, "slow.so", library[:100], age=0)
    writer = threading.Timer(0.3, path.write_bytes, [library])
    writer.start()
    remove_torn_operators(tmp_path, pytest.fail)
    writer.join()
    assert path.read_bytes() == library


def test_no_folder_yet(tmp_path):
    remove_torn_operators(tmp_path, pytest.fail)
