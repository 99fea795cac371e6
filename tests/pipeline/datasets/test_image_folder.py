import pickle

import pytest

from pipeline.datasets.image_folder import ImageFolder
from pipeline.images import UndecodableImage


def test_entries(tmp_path, tree):
    tree(tmp_path, ["train/cat/1.PNG", "train/größe/ü.png", "test/cat/deep/er/2.png", "sample.png"])
    (tmp_path / "train/cat/notes.txt").write_text("no image")
    (tmp_path / "train/empty").mkdir()
    source = ImageFolder(tmp_path, max_bytes=10**6)
    entries = list(source.entries())
    assert [(e.path, e.split, e.class_name) for e in entries] == [
        ("test/cat/deep/er/2.png", "test", "cat"),
        ("train/cat/1.PNG", "train", "cat"),
        ("train/größe/ü.png", "train", "größe"),
    ]
    assert len(source) == 3
    assert source.num_outside == 1
    for entry in entries:
        assert source.read(entry.path, entry.start, entry.size) == (tmp_path / entry.path).read_bytes()


def test_a_broken_link_is_an_entry_with_a_problem(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (entry,) = ImageFolder(tmp_path, max_bytes=10**6).entries()
    assert "No such file" in entry.problem


def test_a_huge_file_is_refused_unread(tmp_path):
    with open(tmp_path / "huge.png", "wb") as stream:
        stream.truncate(10**10)
    with pytest.raises(UndecodableImage, match="10000000000 bytes"):
        ImageFolder(tmp_path, max_bytes=10**6).read("huge.png", -1, -1)


def test_survives_pickling(tmp_path, tree):
    tree(tmp_path, ["a.png"])
    source = pickle.loads(pickle.dumps(ImageFolder(tmp_path, max_bytes=10**6)))
    assert source.read("a.png", -1, -1).startswith(b"\x89PNG")
