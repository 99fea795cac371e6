import tarfile
import zipfile

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import READERS, detect, open_source


def test_formats_are_told_by_looking(tmp_path, tree):
    folder = tree(tmp_path / "photos", ["a/1.png", "b/2.png"])
    with zipfile.ZipFile(tmp_path / "no-suffix", "w") as archive:
        archive.write(folder / "a/1.png", "a/1.png")
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.add(folder, "photos")
    np.savez(tmp_path / "c.npz", x_train=np.zeros((2, 3, 3), np.uint8))
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx/train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\0\0\0\x01" * 3 + b"x")
    expected = {
        "photos": "image-folder",
        "no-suffix": "archive",
        "b.tar": "archive",
        "c.npz": "npz",
        "idx": "idx",
    }
    for name, format_name in expected.items():
        found, source = open_source(DataConfig(source=str(tmp_path / name)))
        assert found == format_name
        assert len(list(source.entries())) == len(source) > 0
    assert detect(DataConfig()) == "photo-scenes"


def test_every_format_of_the_configuration_has_a_reader():
    allowed = DataConfig.model_fields["format"].annotation.__args__
    assert set(READERS) == set(allowed) - {"auto"}


def test_mistakes_name_the_source(tmp_path):
    (tmp_path / "words.txt").write_text("words")
    with pytest.raises(ValueError, match=r"words\.txt is in no known format"):
        detect(DataConfig(source=str(tmp_path / "words.txt")))
    with pytest.raises(ValueError, match=r"is a folder: expected data\.format in .*found npz"):
        open_source(DataConfig(source=str(tmp_path), format="npz"))
    with pytest.raises(ValueError, match=r"expected the same of data\.source"):
        detect(DataConfig(source=str(tmp_path), format="photo-scenes"))
