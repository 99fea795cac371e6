import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.channels.hdf5 import read_hdf5
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare

h5py = pytest.importorskip("h5py", reason="h5py writes the files")

IMAGES = np.random.default_rng(0).integers(0, 65536, (20, 6, 7, 5), dtype=np.uint16)
LABELS = np.arange(20) % 2


def written(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)
    return path


@pytest.mark.parametrize("first", [False, True])
def test_what_h5py_writes_comes_back(tmp_path, first):
    stored = IMAGES.transpose(0, 3, 1, 2) if first else IMAGES
    path = written(tmp_path / "cells.h5", images=stored, labels=LABELS, class_names=["dead", "alive"])
    summary = prepare(DataConfig(source=str(path), channels=5), tmp_path / "out")
    assert (summary["name"], summary["format"]) == ("cells", "hdf5")
    assert summary["class_names"] == ["dead", "alive"]
    dataset = PreparedDataset.open(tmp_path / "out")
    for row in range(20):
        number = int(dataset.path(row).rpartition("/")[2])
        assert np.array_equal(dataset.image(row), IMAGES[number])
        assert dataset.labels[row] == number % 2


def test_without_channels_uint8_is_rgb_as_ever(tmp_path):
    images = (IMAGES[..., :3] >> 8).astype(np.uint8)
    path = written(tmp_path / "a.hdf5", train_images=images, train_labels=LABELS, test_images=images[:4])
    prepare(DataConfig(source=str(path)), tmp_path / "out")
    dataset = PreparedDataset.open(tmp_path / "out")
    assert dataset.image(0).dtype == np.uint8
    assert not dataset.has_channels
    with pytest.raises(ValueError, match="images: expected images of dtype uint8, found uint16"):
        read_hdf5(written(tmp_path / "a.h5", images=IMAGES))


def test_what_is_no_set_of_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected an array images, found a, b"):
        read_hdf5(written(tmp_path / "1.h5", a=LABELS, b=LABELS))
    with pytest.raises(ValueError, match="images: expected numbers"):
        read_hdf5(written(tmp_path / "2.h5", images=LABELS), has_channels=True)
    (tmp_path / "3.h5").write_bytes(b"\x89HDF\r\n\x1a\n and nothing")
    with pytest.raises(ValueError, match=r"3\.h5: damaged HDF5 file"):
        read_hdf5(tmp_path / "3.h5")
    with h5py.File(tmp_path / "4.h5", "w") as file:
        file.create_group("images")
    with pytest.raises(ValueError, match="expected an array, found a group"):
        read_hdf5(tmp_path / "4.h5")


def test_nothing_is_read_from_other_files(tmp_path):
    other = written(tmp_path / "other.h5", images=IMAGES)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["images"] = h5py.ExternalLink(str(other), "images")
    with pytest.raises(ValueError, match="found a link to another"):
        read_hdf5(tmp_path / "link.h5", has_channels=True)
    (tmp_path / "secret").write_bytes(b"0" * 100)
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("images", (1, 10, 10), "u1", external=[(str(tmp_path / "secret"), 0, 100)])
    with pytest.raises(ValueError, match="found parts of other files"):
        read_hdf5(tmp_path / "external.h5")
