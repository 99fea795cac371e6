import gzip
import struct

import numpy as np
import pytest

from pipeline.datasets.idx import read_idx_folder


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path, rng):
    for split, num in (("train", 6), ("t10k", 3)):
        images = rng.integers(0, 256, (num, 4, 5), dtype=np.uint8)
        (tmp_path / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.arange(num, dtype=np.uint8)))
    return tmp_path


def test_reads_gzipped_and_plain(folder):
    source = read_idx_folder(folder)
    entries = list(source.entries())
    assert [(e.split, e.class_name) for e in entries[1:4]] == [("test", "1"), ("test", "2"), ("train", "0")]
    raw = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    assert source.read(entries[1].path, entries[1].start, -1).tobytes() == raw[20:40]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "expected 120 values for shape .6, 4, 5., found 119"),
        (lambda data: data + b"x", "found more than 120"),
        (lambda data: b"\0\0\x0d" + data[3:], "magic number 0x00000803.*found 0x00000d03"),
        (lambda data: data[:9], "expected 16 bytes of header"),
        (lambda data: data[:4] + b"\xff" * 12 + data[16:], "expected at most 250 times its"),
    ],
)
def test_wrong_files_are_named(folder, change, message):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))
    with pytest.raises(ValueError, match=message):
        read_idx_folder(folder)


def test_cut_gzip_label_count_and_missing_labels(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(ValueError, match="damaged gzip"):
        read_idx_folder(folder)
    path.write_bytes(whole)
    labels = folder / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.arange(4, dtype=np.uint8)))
    with pytest.raises(ValueError, match="expected 6 labels, found 4"):
        read_idx_folder(folder)
    labels.unlink()
    assert [e.class_name for e in read_idx_folder(folder).entries() if e.split == "train"] == [None] * 6


def test_the_first_of_qmnists_columns_is_the_label(tmp_path, write):
    """labels-idx2-int beside the images, and torchvision's archive of both beside what it unpacked."""
    images = b"\0\0\x08\x03" + struct.pack(">3I", 2, 1, 1) + b"xy"
    labels = b"\0\0\x0c\x02" + struct.pack(">2I", 2, 3) + struct.pack(">6i", 7, 1, 600, 4, 0, -1)
    for name, content in (("images-idx3-ubyte", images), ("labels-idx2-int", labels)):
        write(tmp_path / f"QMNIST/raw/qmnist-train-{name}", content)
        write(tmp_path / f"QMNIST/raw/qmnist-train-{name}.gz", gzip.compress(content))
    source = read_idx_folder(tmp_path)
    assert [entry.class_name for entry in source.entries()] == ["7", "4"]
