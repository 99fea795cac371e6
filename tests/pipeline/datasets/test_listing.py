import os
import subprocess
import sys

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets import listing
from pipeline.datasets.listing import listing_digest


def settle(root):
    """Make every folder look as if nobody had touched it for a while."""
    for folder, _, _ in os.walk(root):
        os.utime(folder, (10**9, 10**9))


def test_a_tree_changes_with_its_files(tmp_path, tree):
    root, memo = tree(tmp_path / "photos", ["a/1.png", "b/2.png"]), tmp_path / "memo.json"
    config = DataConfig(source=str(root))
    seen = [listing_digest(config, memo)]
    assert listing_digest(config, memo) == seen[0]
    (root / ".hidden").write_text("x")
    assert listing_digest(config, memo) == seen[0]
    os.utime(root / "a/1.png", ns=(1, 1))
    seen.append(listing_digest(config, memo))
    (root / "a/1.png").rename(root / "a/3.png")
    seen.append(listing_digest(config, memo))
    (root / "b/2.png").write_bytes(b"longer or shorter")
    seen.append(listing_digest(config, memo))
    assert len(set(seen)) == 4


def test_a_file_changes_with_size_and_time(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"1")
    config = DataConfig(source=str(path))
    first = listing_digest(config, tmp_path / "memo")
    os.utime(path, ns=(5, 5))
    assert listing_digest(config, tmp_path / "memo") != first


def test_a_large_tree_is_looked_at_by_folder(tmp_path, tree, monkeypatch):
    monkeypatch.setattr(listing, "TRUSTED_ABOVE", 2)
    root, memo = tree(tmp_path / "photos", ["a/1.png", "a/2.png", "b/3.png"]), tmp_path / "memo.json"
    config = DataConfig(source=str(root))
    first = listing_digest(config, memo)
    assert not memo.exists(), "folders that were touched just now may change again unseen"
    settle(root)
    assert listing_digest(config, memo) == first
    assert memo.exists()
    monkeypatch.setattr(listing, "walk", lambda root: pytest.fail("looked at the files again"))
    assert listing_digest(config, memo) == first
    monkeypatch.undo()
    monkeypatch.setattr(listing, "TRUSTED_ABOVE", 2)
    (root / "a/2.png").unlink()
    assert listing_digest(config, memo) != first


@pytest.mark.parametrize("name", ["a/1.xml", "annotations/all.json", "masks/1.png", "train.txt"])
def test_annotations_are_part_of_a_source(tmp_path, tree, write, name):
    root, memo = tree(tmp_path / "data", ["a/1.png"]), tmp_path / "memo.json"
    config = DataConfig(source=str(root))
    seen = [listing_digest(config, memo)]
    write(root / name, "one")
    seen.append(listing_digest(config, memo))
    write(root / name, "another")
    seen.append(listing_digest(config, memo))
    os.utime(root / name, ns=(1, 1))
    seen.append(listing_digest(config, memo))
    assert len(set(seen)) == 4


def test_annotations_of_a_large_tree_are_looked_at_each_time(tmp_path, tree, write, monkeypatch):
    """An image that is overwritten in place is not seen there, but a list of annotations is."""
    monkeypatch.setattr(listing, "TRUSTED_ABOVE", 2)
    root, memo = tree(tmp_path / "data", ["a/1.png", "a/2.png", "a/3.png"]), tmp_path / "memo.json"
    write(root / "annotations/all.json", "one")
    os.utime(root / "annotations/all.json", (10**9, 10**9))
    settle(root)
    config = DataConfig(source=str(root))
    first = listing_digest(config, memo)
    assert memo.exists()
    (root / "annotations/all.json").write_text("two")
    assert listing_digest(config, memo) != first


def test_photo_scenes_and_missing_sources(tmp_path):
    assert len(listing_digest(DataConfig(), tmp_path / "memo")) == 64
    with pytest.raises(FileNotFoundError, match=r"data\.source: .*missing"):
        listing_digest(DataConfig(source=str(tmp_path / "missing")), tmp_path / "memo")


def test_needs_the_standard_library_only():
    code = "import sys, pipeline.datasets.listing; print('numpy' in sys.modules, 'PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
