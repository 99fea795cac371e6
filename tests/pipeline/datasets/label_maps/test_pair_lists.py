import pytest

from pipeline.datasets.label_maps.pair_lists import listed_pairs, lists_in
from pipeline.datasets.label_maps.source import Pair


def test_lists_of_other_machines(tmp_path, tree):
    root = tree(tmp_path / "data", ["train/1.png", "trainannot/1.png"])
    (root / "train.txt").write_text(
        "/SegNet/data/train/1.png /SegNet/data/trainannot/1.png\n\n/SegNet/data/train/2.png "
        "/SegNet/data/trainannot/2.png\n"
    )
    (root / "val.txt").write_text("/elsewhere/3.png /elsewhere/4.png\n")
    assert listed_pairs(root) == [
        Pair("train", "train/1.png", "trainannot/1.png"),
        Pair("train", "train/2.png", "trainannot/2.png"),
        Pair("val", "elsewhere/3.png", "elsewhere/4.png"),
    ]


def test_lists_of_something_else_are_no_lists_of_pairs(tmp_path):
    (tmp_path / "train.txt").write_text("n01440764/1.JPEG 0\nn01440764/2.JPEG 1\n")
    (tmp_path / "val.txt").write_text("000001\n")
    (tmp_path / "test.txt").write_text("")
    assert lists_in(tmp_path) == []


@pytest.mark.parametrize("line", ["a.png b.png c.png", "../a.png b.png", "a.png x/../../b.png"])
def test_mistakes_name_the_line(tmp_path, line):
    (tmp_path / "train.txt").write_text(f"1.png 2.png\n{line}\n")
    with pytest.raises(ValueError, match=r"train\.txt: line 2: expected"):
        listed_pairs(tmp_path)


@pytest.mark.parametrize(("content", "found"), [("", "an empty list"), ("img/0.png 3\n", "'img/0.png 3'")])
def test_a_list_that_yields_nothing_is_an_error(tmp_path, write, content, found):
    write(tmp_path / "train.txt", content)
    write(tmp_path / "test.txt", "img/0.png lab/0.png\n")
    words = rf"train\.txt: expected lines of \"image label\" as in test\.txt, found {found}"
    with pytest.raises(ValueError, match=words):
        listed_pairs(tmp_path)


def test_an_image_alone_is_left_out_with_its_reason(tmp_path, tree, write):
    """datumaro's form of CamVid: an image without objects has no label map, and a slash before its name."""
    root = tree(tmp_path / "data", ["val/3.png", "val/4.png", "valannot/3.png"])
    write(root / "val.txt", "/val/4.png \n/val/3.png valannot/3.png\n")
    assert listed_pairs(root) == [
        Pair("val", "val/4.png", "", "no label map: val.txt names none for it"),
        Pair("val", "val/3.png", "valannot/3.png"),
    ]


def test_lists_of_windows_and_with_tabs(tmp_path, tree, write):
    root = tree(tmp_path / "data", ["seg/my images/1.png", "seg/masks/1 a.png"])
    write(root / "train.txt", "D:\\x\\seg\\my images\\1.png\tD:\\x\\seg\\masks\\1 a.png\r\n")
    assert listed_pairs(root) == [Pair("train", "seg/my images/1.png", "seg/masks/1 a.png")]
