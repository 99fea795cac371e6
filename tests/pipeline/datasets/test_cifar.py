import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import open_source
from pipeline.datasets.cifar import cifar_files, read_cifar


def batches(rng):
    """CIFAR-10 in small, as Python 2 wrote it: protocol 2, keys of bytes."""
    files = {"batches.meta": {b"label_names": [b"cat", b"dog"]}}
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        files[name] = {b"data": rng.integers(0, 256, (2, 3072), dtype=np.uint8), b"labels": [1, 0]}
    return files


def write_folder(folder, files):
    folder.mkdir()
    for name, value in files.items():
        (folder / name).write_bytes(pickle.dumps(value, protocol=2))
    return folder


def test_folder_and_archive(tmp_path, rng):
    files = batches(rng)
    folder = write_folder(tmp_path / "cifar-10-batches-py", files)
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)
    for path in (folder, tmp_path / "cifar.tar.gz"):
        name, source = open_source(DataConfig(source=str(path)))
        assert name == "cifar"
        assert [e.class_name for e in source.entries()][:2] == ["dog", "cat"]
        assert len(source) == 12
        # Channel planes, each row by row.
        red, green, blue = files["data_batch_2"][b"data"][1].reshape(3, 32, 32)
        assert np.array_equal(source.read("train/000003", 3, -1), np.stack([red, green, blue], axis=-1))


def test_cifar_100(tmp_path, rng):
    values = {"data": rng.integers(0, 256, (3, 3072), dtype=np.uint8), "fine_labels": [0, 2, 1]}
    files = {"meta": {"fine_label_names": ["a", "b", "c"]}, "train": values, "test": values}
    source = read_cifar(write_folder(tmp_path / "c", files))
    assert [e.class_name for e in source.entries()] == ["a", "c", "b"] * 2


class Malicious:
    """Runs a command when a plain unpickler reads it."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, rng):
    trace = tmp_path / "trace"
    hostile = Malicious(f"touch {trace}")
    pickle.loads(pickle.dumps(hostile))
    assert trace.exists(), "the attack itself must work, or this test shows nothing"
    trace.unlink()
    folder = write_folder(
        tmp_path / "c", {**batches(rng), "data_batch_3": {b"data": hostile, b"labels": [0, 1]}}
    )
    with pytest.raises(ValueError, match=r"data_batch_3: refused.*posix\.system"):
        read_cifar(folder)
    assert not trace.exists()


@pytest.mark.parametrize("value", [np.array([{}], dtype=object), np.zeros((2, 3072), np.float32)])
def test_other_arrays_are_refused(tmp_path, rng, value):
    folder = write_folder(tmp_path / "c", {**batches(rng), "test_batch": {b"data": value, b"labels": [0, 1]}})
    with pytest.raises(ValueError, match=r"test_batch: refused.*unsigned bytes"):
        read_cifar(folder)


def test_damaged_batches_are_named(tmp_path, rng):
    folder = write_folder(tmp_path / "c", batches(rng))
    whole = (folder / "test_batch").read_bytes()
    (folder / "test_batch").write_bytes(whole[:1000])
    with pytest.raises(ValueError, match="test_batch: refused"):
        read_cifar(folder)
    (folder / "test_batch").write_bytes(
        pickle.dumps({b"data": np.zeros((2, 99), np.uint8), b"labels": [0, 1]}, 2)
    )
    with pytest.raises(ValueError, match=r"test_batch: expected data of .n, 3072., found .2, 99."):
        read_cifar(folder)


def test_other_archives_are_not_cifar(tmp_path, png):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(png(0))
        archive.addfile(info, io.BytesIO(png(0)))
    assert cifar_files(tmp_path / "a.tar") is None
