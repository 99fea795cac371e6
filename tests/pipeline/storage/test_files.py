"""Whole files and folders, also where the system fails at one of the calls that make them."""

import errno
import os
import re
from pathlib import Path

import pytest
from safetensors import SafetensorError

from pipeline.storage.files import new_folder, partial_of, replacing, without_partial, write_text


def refuse(*given, **named):
    raise OSError(5, "Input/output error")


def test_what_is_in_place_is_no_error_whatever_cannot_be_removed(tmp_path, monkeypatch):
    """Found by an error at every unlink: a stage failed whose stamp was there."""
    monkeypatch.setattr(Path, "unlink", refuse)
    write_text(tmp_path / "a.txt", "all of it")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_the_first_error_is_told(tmp_path, monkeypatch):
    """And not that the rest could not be removed either."""
    monkeypatch.setattr("os.replace", lambda *given: (_ for _ in ()).throw(OSError(28, "No space left")))
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "a.txt", "all of it")


def test_nothing_is_left_of_what_failed(tmp_path, monkeypatch):
    """The old file stays."""
    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        write_text(tmp_path / "a.txt", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_an_error_of_the_disk_that_safetensors_wraps_names_the_file(tmp_path):
    """Found by an error at every write of a checkpoint: a traceback."""
    target, told = tmp_path / "a.safetensors", r"a\.safetensors: .*No space left"
    with pytest.raises(OSError, match=told), replacing(target):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    with pytest.raises(SafetensorError), replacing(target):
        raise SafetensorError("no such dtype")


def test_a_folder_appears_whole(tmp_path):
    with new_folder(tmp_path / "a" / "made") as partial:
        (partial / "file").write_text("x")
        assert not (tmp_path / "a" / "made").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["made"]
    assert (tmp_path / "a" / "made" / "file").read_text() == "x"


def half_made(folder):
    with new_folder(folder) as partial:
        (partial / "file").write_text("x")
        raise ValueError("half")


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="half"):
        half_made(tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_whoever_was_faster_stays(tmp_path):
    with new_folder(tmp_path / "made") as partial:
        (partial / "file").write_text("slower")
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "file").write_text("faster")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert (tmp_path / "made" / "file").read_text() == "faster"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_of_a_write_names_the_file(tmp_path, number):
    """What `write` reports has no name in it."""
    target = tmp_path / "a.bin"

    def write():
        with replacing(target) as partial:
            partial.write_bytes(b"half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(OSError, match=re.escape(f"while {target} was written")) as caught:
        write()
    assert caught.value.errno == number
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_names_its_file_stays_as_it_is(tmp_path):
    match = r"No such file or directory: '.*images.bin'"
    with pytest.raises(FileNotFoundError, match=match), replacing(tmp_path / "a.bin"):
        (tmp_path / "images.bin").read_bytes()


def test_a_temporary_name_and_the_file_s_own():
    target = Path("/results/my.toml")
    assert without_partial(str(partial_of(target))) == str(target)
    assert without_partial("a sentence about my.partial") == "a sentence about my.partial"
