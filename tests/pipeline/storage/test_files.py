"""Whole files, where the system fails at one of the calls that make them."""

from pathlib import Path

import pytest

from pipeline.storage.files import write_text


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
