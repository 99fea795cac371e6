import os
from pathlib import Path

import pytest

from pipeline.runtime import cache


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch, tmp_path):
    for name in ("HSSL_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))


def test_the_chosen_folder_wins_and_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / "chosen" / "deep"))
    assert cache.cache_root() == (tmp_path / "chosen" / "deep").resolve()
    assert cache.cache_root().is_dir()


def test_a_chosen_folder_that_cannot_be_used_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"HSSL_CACHE is .*file"):
        cache.cache_root()


@pytest.mark.parametrize("name", ["my cache", "a(b)", "x;y", "it's"])
def test_a_path_that_a_shell_would_split_is_refused(monkeypatch, tmp_path, name):
    """Jittor puts it into compiler commands as it is."""
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / name))
    with pytest.raises(OSError, match=r"its path holds .* unquoted; choose a plain path"):
        cache.cache_root()
    assert not (tmp_path / name).exists()


def test_xdg_comes_before_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_root() == (tmp_path / "home" / ".cache" / "hssl").resolve()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == (tmp_path / "xdg" / "hssl").resolve()


def test_without_home_the_temporary_folder_is_private(tmp_path):
    root = cache.cache_root()
    assert root.parent == tmp_path.resolve()
    assert root.stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_written_is_passed_over(monkeypatch, tmp_path):
    (tmp_path / "home").write_text("a file, in which no folder can be made, even by root")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_root().parent == tmp_path.resolve()


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_can_write_is_refused(monkeypatch, tmp_path, mode):
    squatted = tmp_path / f"hssl-cache-{os.getuid()}"
    squatted.mkdir()
    squatted.chmod(mode)
    with pytest.raises(OSError, match="others may write"):
        cache.cache_root()


def test_a_folder_of_another_user_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(cache.os, "getuid", lambda: 4_000_000)
    with pytest.raises(OSError, match="owned by user"):
        cache.cache_root()


def test_folder_size_counts_files_not_links(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a").write_bytes(b"x" * 1000)
    (tmp_path / "b").write_bytes(b"x" * 24)
    outside = Path(tmp_path.parent / "outside")
    outside.write_bytes(b"x" * 50_000)
    (tmp_path / "link").symlink_to(outside)
    assert 1024 <= cache.folder_size(tmp_path) < 2000
