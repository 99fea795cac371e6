import pickle

import pytest

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.image_folder import ImageFolder


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


def test_an_empty_training_folder_is_an_error(tmp_path, tree):
    tree(tmp_path, ["test/cat/1.png", "test/dog/2.png"])
    (tmp_path / "train/cat").mkdir(parents=True)
    (tmp_path / "train/cat/1.xyz").write_text("x")
    with pytest.raises(ValueError, match=r"train: expected training images, found none among 1 files"):
        len(ImageFolder(tmp_path, max_bytes=10**6))
    assert len(ImageFolder(tmp_path, max_bytes=10**6, parts={"train": "unused", "test": "train"})) == 2


def test_what_is_passed_over_is_counted_and_labels_are_named(tmp_path, tree, write):
    tree(tmp_path, ["apple/1.jpg", "bolt/1.png"])
    for path in ("bolt/2.cr2", "bolt/3.CR2", "cup/1.cr2", "apple/1.txt", "metadata.jsonl", ".DS_Store"):
        write(tmp_path / path, "x")
    (tmp_path / "drill").mkdir()
    source = ImageFolder(tmp_path, max_bytes=10**6)
    assert source.notes == (
        "folders without an image that can be read: cup/, drill/",
        "skipped: 3 .cr2, 1 .jsonl, 1 .txt files, which are no images that can be read",
        "caution: labels that lie there are not read: metadata.jsonl (columns beside an image folder; 1 "
        "files), apple/1.txt (YOLO or captions, a file for each image; 1 files)",
    )


def test_a_misspelt_part_is_an_error(tmp_path, tree):
    tree(tmp_path, ["train/cat/1.png", "train/dog/2.png"])
    parts = {"trian": "unused", "d*": "unused", "2.png": "unused"}
    with pytest.raises(ValueError, match=r"data\.parts: no folder or image is called 'trian'"):
        len(ImageFolder(tmp_path, max_bytes=10**6, parts=parts))
