"""Libraries with flipped bytes and half-written ones are found before they are loaded; whole ones stay."""

import hashlib
import os
import subprocess
import sys
import threading
import time

import pytest

from pipeline.runtime import compiled_libraries
from pipeline.runtime.compiled_libraries import check_jittor, check_native, is_torn, keep_digests, read_all


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


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Nobody else links: what is written counts as complete at once."""
    monkeypatch.setattr(compiled_libraries, "_LINKING_SECONDS", 0.0)


def put(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    (folder / f"{name}.key").write_text("key")
    return folder / name


def digest_of(path):
    return path.with_name(f"{path.name}.sha256")


def flipped(library):
    content = bytearray(library)
    content[len(content) // 2] ^= 1
    return bytes(content)


def keep_time(path, content):
    """As a disk does that loses a bit: no time tells of it."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_digest_is_kept_as_sha256sum_writes_it(library, operators, tmp_path):
    path = put(operators, "whole.so", library)
    assert check_jittor(tmp_path, pytest.fail)
    assert digest_of(path).read_text() == f"{hashlib.sha256(library).hexdigest()}  whole.so\n"


@pytest.mark.parametrize("below", ["jit", "custom_ops"])
def test_a_flipped_bit_is_refused_and_said_in_one_line(library, operators, tmp_path, below):
    path = put(operators.parent / below, "operator.so", library)
    check_jittor(tmp_path, pytest.fail)
    keep_time(path, flipped(library))
    messages = []
    assert check_jittor(tmp_path, messages.append)
    expected, found = (hashlib.sha256(each).hexdigest()[:12] for each in (library, flipped(library)))
    assert messages == [f"{path}: SHA-256 {found}…, expected {expected}…; compiled again when needed"]
    assert not any(each.exists() for each in (path, digest_of(path), path.with_name("operator.so.key")))
    put(operators.parent / below, "operator.so", library)
    assert check_jittor(tmp_path, pytest.fail), "the new one has no digest of the old"


def test_jittors_own_libraries_are_left_to_its_build(library, operators, tmp_path):
    path = put(operators.parent, "jittor_core.so", library)
    check_jittor(tmp_path, pytest.fail)
    keep_time(path, flipped(library))
    messages = []
    assert not check_jittor(tmp_path, messages.append)
    assert path.exists()
    assert len(messages) == 1
    assert messages[0].endswith("Jittor's core is compiled again")


def test_the_projects_own_libraries(library, tmp_path, monkeypatch):
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path))
    path = put(tmp_path / "native" / "0123456789abcdef", "libkernels.so", library)
    check_native(pytest.fail)
    keep_time(path, flipped(library))
    messages = []
    check_native(messages.append)
    assert len(messages) == 1
    assert not path.exists()


def test_doctor_reads_all_and_leaves_what_is_damaged_to_the_next_start(library, tmp_path, monkeypatch):
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path))
    home = tmp_path / "jittor" / "0123"
    jit = home / ".cache" / "jittor" / "jt1.3.11" / "g++" / "default" / "jit"
    core, operator = put(jit.parent, "jittor_core.so", library), put(jit, "operator.so", library)
    native = put(tmp_path / "native" / "0123456789abcdef", "libkernels.so", library)
    (home / "built.json").touch()
    assert str(read_all()) == "0 compiled libraries, all as compiled; 3 without a digest have one now"
    assert str(read_all()) == "3 compiled libraries, all as compiled"
    assert check_jittor(home, pytest.fail)
    keep_time(operator, flipped(library))
    keep_time(native, flipped(library))
    found = read_all()
    assert found.damaged.keys() == {operator, native}
    assert str(found).startswith(f"{operator}: SHA-256 ")
    assert str(found).endswith("…, and 1 more; the other 1 are as compiled")
    assert operator.exists()
    messages = []
    # All had been read within the hour; they are read again nevertheless.
    assert check_jittor(home, messages.append)
    check_native(messages.append)
    assert [line.partition(":")[0] for line in messages] == [str(operator), str(native)]
    assert core.exists()
    assert not operator.exists()
    assert str(read_all()) == "1 compiled libraries, all as compiled"


def test_a_core_that_was_never_finished_is_no_damage(library, tmp_path, monkeypatch):
    """A run that ends while its core is linked leaves half a library; the next start compiles all of it."""
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path))
    home = tmp_path / "jittor" / "0123"
    folder = home / ".cache" / "jittor" / "jt1.3.11" / "g++" / "default"
    (folder / "jit").mkdir(parents=True)
    half = put(folder, "jittor_core.so", library[: len(library) // 2])
    assert str(read_all()) == "0 compiled libraries, all as compiled"
    (home / "built.json").touch()
    assert read_all().damaged == {half: "half-written, by a run that was killed"}


def test_damage_is_found_when_all_are_read_again(library, operators, tmp_path, monkeypatch):
    """Between, only those are read whose time of change is new; no user can set that back."""
    path = put(operators, "operator.so", library)
    check_jittor(tmp_path, pytest.fail)
    read = []
    monkeypatch.setattr(compiled_libraries, "_wrong", lambda path, trusted: read.append(path.name))
    past = path.stat().st_ctime + 10
    os.utime(tmp_path / "libraries-checked", (past, past))
    check_jittor(tmp_path, pytest.fail)
    assert read == []
    long_ago = time.time() - 4000
    os.utime(tmp_path / "libraries-read", (long_ago, long_ago))
    check_jittor(tmp_path, pytest.fail)
    assert read == ["operator.so"]
    os.utime(tmp_path / "libraries-checked", (past, past))
    (tmp_path / "libraries-read").write_text("another start of the machine")
    check_jittor(tmp_path, pytest.fail)
    assert read == ["operator.so"] * 2


def test_without_a_digest_from_before_the_machines_start(library, operators, tmp_path, monkeypatch):
    check_jittor(tmp_path, pytest.fail)
    path = put(operators, "operator.so", library)
    # A machine that started after the library was written.
    monkeypatch.setattr(time, "clock_gettime", lambda clock: -60.0)
    messages = []
    check_jittor(tmp_path, messages.append)
    assert len(messages) == 1
    assert "no digest" in messages[0]
    assert not path.exists()


def test_libraries_of_a_version_without_digests_are_kept(library, operators, tmp_path, monkeypatch):
    path = put(operators, "operator.so", library)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: -60.0)
    check_jittor(tmp_path, pytest.fail)
    assert digest_of(path).exists()


def test_half_a_digest_is_none(library, operators, tmp_path):
    path = put(operators, "operator.so", library)
    digest_of(path).write_text("0123")
    check_jittor(tmp_path, pytest.fail)
    assert len(digest_of(path).read_text()) == 64 + len("  operator.so\n")


def test_a_process_keeps_digests_of_what_it_loaded(library, tmp_path):
    loaded, other = put(tmp_path, "loaded.so", library), put(tmp_path, "other.so", library)
    code = (
        "import ctypes; from pathlib import Path; "
        "from pipeline.runtime.compiled_libraries import keep_digests; "
        f"ctypes.CDLL({str(loaded)!r}); keep_digests(Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert digest_of(loaded).exists()
    assert not digest_of(other).exists()
    keep_digests(tmp_path)
    assert not digest_of(other).exists()


def test_every_truncation_is_seen(library, tmp_path):
    assert not is_torn(put(tmp_path, "whole.so", library))
    for length in (0, 1, 63, 64, 500, len(library) // 2, len(library) - 1):
        assert is_torn(put(tmp_path, "torn.so", library[:length])), length
    assert is_torn(put(tmp_path, "zeros.so", bytes(len(library)))), "space that nothing was written to"
    assert not is_torn(put(tmp_path, "other.so", b"MachO" * 40))


def test_torn_ones_go_with_their_keys(library, operators, tmp_path):
    whole = put(operators, "whole.so", library)
    torn = [put(operators, f"{length}.so", library[:length]) for length in (0, 300)]
    messages = []
    check_jittor(tmp_path, messages.append)
    assert whole.is_file()
    assert whole.with_name("whole.so.key").is_file()
    assert not any(path.exists() or path.with_name(f"{path.name}.key").exists() for path in torn)
    assert len(messages) == 1
    assert messages[0].endswith(
        "half-written, by a run that was killed, and 1 more; compiled again when needed"
    )
    check_jittor(tmp_path, messages.append)
    assert len(messages) == 1


def test_one_that_is_being_written_is_waited_for(library, operators, tmp_path, monkeypatch):
    monkeypatch.setattr(compiled_libraries, "_LINKING_SECONDS", 10.0)
    path = put(operators, "slow.so", library[:100])
    writer = threading.Timer(0.3, path.write_bytes, [library])
    writer.start()
    check_jittor(tmp_path, pytest.fail)
    writer.join()
    assert path.read_bytes() == library
    assert not digest_of(path).exists(), "it may still grow"


def test_one_that_is_compiled_again_is_waited_for(library, operators, tmp_path, monkeypatch):
    """Two processes that need an operator compile it one after the other, over the same file."""
    path = put(operators, "twice.so", library)
    check_jittor(tmp_path, pytest.fail)
    assert digest_of(path).exists()
    monkeypatch.setattr(compiled_libraries, "_LINKING_SECONDS", 10.0)
    path.write_bytes(library[: len(library) // 2])
    writer = threading.Timer(0.3, path.write_bytes, [library])
    writer.start()
    check_jittor(tmp_path, pytest.fail)
    writer.join()
    assert path.read_bytes() == library


def test_a_digest_from_before_jittor_compiled_again_is_none(library, operators, tmp_path):
    path = put(operators, "again.so", library)
    check_jittor(tmp_path, pytest.fail)
    before = time.time() - 60
    os.utime(digest_of(path), (before, before))
    path.write_bytes(library + b"of other flags")
    path.with_name("again.so.key").write_text("as Jittor writes it after each compilation")
    check_jittor(tmp_path, pytest.fail)
    assert digest_of(path).read_text().startswith(hashlib.sha256(path.read_bytes()).hexdigest())


def test_no_folder_yet(tmp_path, monkeypatch):
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path))
    check_jittor(tmp_path, pytest.fail)
    check_native(pytest.fail)
