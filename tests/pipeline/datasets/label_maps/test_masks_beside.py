import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import detect

VALUES = [[0, 1, 2, 255, 1]] * 4


@pytest.fixture
def folder(tmp_path, write, png, label_png):
    for number, name in enumerate(("train/a", "train/b", "test/c", "test/d_mask")):
        ending = "_segmentation" if name == "test/c" else "_mask"
        write(tmp_path / f"set/{name}.png", png(number))
        write(tmp_path / f"set/{name}{ending}.png", label_png(VALUES))
    return tmp_path / "set"


def test_masks_and_splits_are_as_drawn(folder, prepared):
    dataset = prepared(folder, format="masks-beside", val_share=0)
    assert dataset.annotation == "label-map"
    assert dataset.summary["counts"] == {"train": 2, "val": 0, "test": 2}
    assert {dataset.path(i) for i in dataset.indices("test")} == {"test/c.png", "test/d_mask.png"}
    for i in range(4):
        assert dataset.label_map(i).tolist() == [[0, 1, 2, -1, 1]] * 4


def test_an_image_without_a_mask_is_left_out(folder, prepared, write, png):
    write(folder / "train/e.png", png(9))
    with pytest.raises(ValueError, match=r"train/e\.png: no label map: expected train/e_mask\.png"):
        prepared(folder, format="masks-beside")


def test_only_the_word_makes_them_masks(folder):
    """Photographs alone could be called so."""
    assert detect(DataConfig(source=str(folder))) == "image-folder"
