import os

from pipeline.datasets.tree import walk


def test_files_before_folders_sorted_hidden_skipped(tmp_path, tree):
    tree(tmp_path, ["b/z.png", "b/a/y.png", "a.png", "c.png", ".hidden/x.png", "b/.x.png", "__MACOSX/m.png"])
    visited = [(folder, [file.name for file in files]) for folder, _, files in walk(tmp_path)]
    assert visited == [("", ["a.png", "c.png"]), ("b", ["z.png"]), ("b/a", ["y.png"])]


def test_links_are_followed_but_not_in_circles(tmp_path, tree):
    tree(tmp_path / "data", ["a/1.png"])
    tree(tmp_path / "elsewhere", ["2.png"])
    (tmp_path / "data/b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/a/up").symlink_to(tmp_path / "data")
    (tmp_path / "elsewhere/self").symlink_to(tmp_path / "elsewhere")
    found = [f"{folder}/{file.name}" for folder, _, files in walk(tmp_path / "data") for file in files]
    assert found == ["a/1.png", "b/2.png"]


def test_pipes_are_no_files_and_broken_links_are_seen(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    ((_, _, files),) = walk(tmp_path)
    assert [file.name for file in files] == ["gone.png"]
