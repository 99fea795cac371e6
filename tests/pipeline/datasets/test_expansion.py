"""What a small file may expand to. The files here are harmless; the limits are lowered."""

import gzip
import io
import struct
import tarfile

import numpy as np
import pytest

from pipeline.datasets import archive, expansion
from pipeline.datasets.archive import Archive
from pipeline.datasets.expansion import refuse_expansion
from pipeline.datasets.idx import read_idx
from pipeline.datasets.npz import read_npz
from tests.pipeline.datasets.test_archive import write


@pytest.fixture
def strict(monkeypatch):
    """Twice their size is as far as files may expand here."""
    monkeypatch.setattr(expansion, "RATIO", 2)
    monkeypatch.setattr(expansion, "FREE_BYTES", 1000)


def test_small_files_may_expand_to_anything_and_large_ones_by_a_ratio(tmp_path):
    refuse_expansion(tmp_path, expansion.FREE_BYTES, 1)
    refuse_expansion(tmp_path, expansion.RATIO * 2**30, 2**30)
    with pytest.raises(ValueError, match=r"expected at most 250 times its 1073741824 bytes, it expands to"):
        refuse_expansion(tmp_path, expansion.RATIO * 2**30 + 1, 2**30)


def zeros_in_a_tar(path):
    with tarfile.open(path, "w:gz") as made:
        for name in ("a.png", "notes.txt"):
            info = tarfile.TarInfo(name)
            info.size = 50_000
            made.addfile(info, io.BytesIO(bytes(50_000)))
    return path


def test_a_compressed_tar(tmp_path, strict):
    path = zeros_in_a_tar(tmp_path / "a.tgz")
    with pytest.raises(ValueError, match=r"a\.tgz: expected at most 2 times its \d+ bytes"):
        len(Archive(path, max_bytes=10**6))


def test_idx_files_before_anything_is_unpacked(tmp_path, strict):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 10**6, 10**3, 10**3)))
    with pytest.raises(ValueError, match=r"idx3-ubyte\.gz: .* 2 times .* it expands to 10{12} or"):
        read_idx(path, num_dimensions=3)


def test_npz_files_before_anything_is_unpacked(tmp_path, strict):
    np.savez_compressed(tmp_path / "a.npz", x_train=np.zeros((99, 32, 32), np.uint8), y_train=np.arange(99))
    with pytest.raises(ValueError, match=r"a\.npz: expected at most 2 times"):
        read_npz(tmp_path / "a.npz")


def test_files_that_do_not_expand_are_read(tmp_path, rng, strict):
    np.savez_compressed(tmp_path / "a.npz", x_train=rng.integers(0, 256, (99, 32, 32), dtype=np.uint8))
    assert len(read_npz(tmp_path / "a.npz")) == 99


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_the_number_of_members(tmp_path, png, monkeypatch, name):
    path = write(tmp_path / name, {f"{index}.png": png(index) for index in range(4)})
    assert len(Archive(path, max_bytes=10**6)) == 4
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    with pytest.raises(ValueError, match=r"expected at most 3 members, found more"):
        len(Archive(path, max_bytes=10**6))


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_the_levels_of_a_name(tmp_path, png, name):
    path = write(tmp_path / name, {f"{'a/' * 70}x.png": png(0), "b/y.png": png(1)})
    problems = [entry.problem for entry in Archive(path, max_bytes=10**6).entries()]
    assert sorted(map(str, problems)) == ["None", "unsafe name: 71 levels, more than 64"]
