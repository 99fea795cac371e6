import numpy as np
import pytest

from pipeline.datasets.label_maps.camvid import CLASSES
from pipeline.storage.files import read_json


@pytest.fixture
def camvid(tmp_path, png, label_png, write):
    """Two images of each split; the first label map holds the value 11, void."""
    root = tmp_path / "CamVid"
    for split in ("train", "val", "test"):
        for number in range(2):
            write(root / split / f"{number}.png", png(number))
            write(root / f"{split}annot" / f"{number}.png", label_png([[11 * (1 - number), 10, 3, 2, 1]] * 4))
        lines = [f"{split}/{number}.png {split}annot/{number}.png" for number in range(2)]
        write(root / f"{split}.txt", "\n".join(lines))
    return root


def test_void_counts_for_nothing(camvid, prepared):
    """T12: CamVid's void class is ignored."""
    dataset = prepared(camvid)
    assert (dataset.summary["format"], dataset.annotation) == ("camvid", "label-map")
    assert tuple(dataset.class_names) == CLASSES
    assert dataset.path(0) == "train/0.png"
    assert dataset.label_map(0).tolist() == [[-1, 10, 3, 2, 1]] * 4
    assert dataset.label_map(1)[0, 0] == 0
    assert dataset.summary["num_ignored_pixels"] == {"train": 4, "val": 4, "test": 4}
    assert dataset.split_names == {"train": "train", "val": "val", "test": "test"}
    assert set(dataset.labels) == {-1}


def test_names_of_the_user_go_over_those_of_the_file_and_those_over_camvids(camvid, prepared, write):
    write(
        camvid / "classes.json", '{"classes": ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]}'
    )
    dataset = prepared(camvid, ignored_labels=[])
    assert dataset.class_names == list("abcdefghijkl")
    assert dataset.label_map(0)[0, 0] == 11
    assert prepared(camvid, class_names=list("ABCDEFGHIJK")).class_names == list("ABCDEFGHIJK")


def test_an_unlisted_value_is_quarantined_with_its_file(camvid, prepared, write, label_png):
    """T8: a label out of range raises with the name of the file."""
    write(camvid / "valannot/1.png", label_png([[12] * 5] * 4))
    reason = r"val/1\.png: label map valannot/1\.png: 20 pixels of value 12, expected 0 to 10 or 11, 255 .ign"
    with pytest.raises(ValueError, match=rf"1 of 6 images .16\.7%. cannot.*\n  {reason}"):
        prepared(camvid)
    dataset = prepared(camvid, max_bad_share=0.2)
    assert dataset.summary["num_quarantined"] == 1
    assert len(dataset) == 5


@pytest.mark.parametrize(("name", "counts"), [("camvid", (184, 34, 62)), ("camvid-fullsize", (3, 0, 1))])
def test_sample_data(sample_data, prepared, name, counts):
    root = sample_data / "segmentation" / name
    dataset = prepared(root)
    assert dataset.summary["format"] == "camvid"
    assert tuple(dataset.summary["counts"].values()) == counts
    assert dataset.class_names == read_json(root / "classes.json")["classes"]
    assert dataset.summary["num_quarantined"] == 0
    for i in range(0, len(dataset), 10):
        assert dataset.label_map(i).shape == dataset.image(i).shape[:2]
    every = sum(map(sum, dataset.summary["class_counts"].values()))
    pixels = sum(np.prod(dataset.size(i)) for i in range(len(dataset)))
    assert every + sum(dataset.summary["num_ignored_pixels"].values()) == pixels


def test_a_table_beside_the_data_names_own_classes(camvid, prepared, write, label_png):
    for split in ("train", "val", "test"):
        for number in range(2):
            write(camvid / f"{split}annot/{number}.png", label_png([[0, 1, 2, 1, 255]] * 4))
    write(camvid / "label_colors.txt", "0 0 0 background\n200 0 0\tzebra crossing\n0 200 0 apple\n")
    dataset = prepared(camvid)
    assert dataset.class_names == ["background", "zebra crossing", "apple"]
    assert dataset.label_map(0).tolist() == [[0, 1, 2, 1, -1]] * 4


def test_names_that_leave_the_background_out_are_refused(camvid, prepared, write, label_png):
    """datumaro's form: each name would be one off, from the background on."""
    for path in camvid.glob("*annot/*.png"):
        write(path, label_png([[0, 1, 2, 3, 3]] * 4))
    write(camvid / "label_colors.txt", " zebra\n apple\n melon\n")
    with pytest.raises(ValueError, match=r"label_colors\.txt: expected a name for each value from 0 to 3"):
        prepared(camvid)
    write(camvid / "label_colors.txt", "background\n zebra\n apple\n melon\n")
    assert prepared(camvid).class_names == ["background", "zebra", "apple", "melon"]
