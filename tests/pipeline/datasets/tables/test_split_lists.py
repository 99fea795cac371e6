import pytest

from pipeline.datasets.tables.split_lists import SplitLists


def test_lists_beside_a_table_give_the_splits(tmp_path, write):
    write(tmp_path / "train_val_list.txt", "1.png\n2.png\n\n")
    write(tmp_path / "test_list.txt", "3.png\r\n")
    write(tmp_path / "classes.txt", "1.png\n")
    write(tmp_path / "valid.txt", "something else\n")
    found = SplitLists.beside(tmp_path / "l.csv", ["1.png", "2.png", "3.png", "4.png"])
    assert [found.split_of(f"{number}.png") for number in range(1, 5)] == [
        "trainval",
        "trainval",
        "test",
        None,
    ]
    assert found.note == "splits: by test_list.txt (1 images), train_val_list.txt (2 images)"


def test_paths_and_names_without_suffix_and_a_list_of_both_parts(tmp_path, write):
    write(tmp_path / "trainval.txt", "a\\1\na\\2\n")
    write(tmp_path / "train.txt", "a\\1\n")
    write(tmp_path / "val.txt", "a/2.png\n")
    found = SplitLists.beside(tmp_path / "l.csv", ["a/1.png", "a/2.png"])
    assert (found.split_of("a/1.png"), found.split_of("a/2.png")) == ("train", "val")


def test_an_image_in_two_lists_is_refused(tmp_path, write):
    write(tmp_path / "train.txt", "1.png\n2.png\n")
    write(tmp_path / "test.txt", "2.png\n")
    with pytest.raises(
        ValueError, match=r"train\.txt: expected images of one split, found 2\.png in another"
    ):
        SplitLists.beside(tmp_path / "l.csv", ["1.png", "2.png"])


def test_no_lists_say_nothing(tmp_path):
    assert SplitLists.beside(tmp_path / "l.csv", ["1.png"]).note is None
