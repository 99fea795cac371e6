"""Lists whose first line is an image already."""

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import open_source


def seen(folder):
    name, source = open_source(DataConfig(source=str(folder)))
    assert name == "csv"
    return [
        (entry.path, entry.split, entry.class_name, entry.target) for entry in source.entries()
    ], source.notes


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_path_and_label(tmp_path, tree, write, bom):
    tree(tmp_path, ["images/1.png", "images/2.png"])
    write(tmp_path / "l.csv", bom + b"1.png,9\r\n2.png,0\r\n")
    found, notes = seen(tmp_path)
    assert found == [("images/1.png", None, "9", None), ("images/2.png", None, "0", None)]
    assert "l.csv: no line of names: columns taken for path, label" in notes


def test_split_path_and_label(tmp_path, tree, write):
    """The split may be the label's column only where there is a label."""
    tree(tmp_path, ["1.png", "2.png"])
    write(tmp_path / "l.csv", "TRAIN,1.png,test\nVALIDATION,2.png,train\n")
    with pytest.raises(ValueError, match=r"l\.csv: expected a column of labels, found \['0', 'path', '1'\]"):
        open_source(DataConfig(source=str(tmp_path), format="csv"))
    write(tmp_path / "l.csv", "TRAIN,1.png,a\nVALIDATION,2.png,b\n")
    assert seen(tmp_path)[0] == [("1.png", "TRAIN", "a", None), ("2.png", "VALIDATION", "b", None)]


def test_a_column_for_each_class(tmp_path, tree, write):
    tree(tmp_path, ["1.png", "2.png"])
    write(tmp_path / "l.csv", "1.png,0,1,1\n2.png,0,0,0\n")
    assert [target for *_, target in seen(tmp_path)[0]] == [("1", "2"), ()]


def test_a_wrong_line_is_named(tmp_path, tree, write):
    tree(tmp_path, ["1.png", "2.png"])
    write(tmp_path / "l.csv", "1.png,a\n2.png,b,c\n")
    with pytest.raises(ValueError, match=r"l\.csv, line 2: expected 2 columns, found 3"):
        open_source(DataConfig(source=str(tmp_path), format="csv"))


def test_spaces_before_quotes_are_no_part_of_a_name(tmp_path, tree, write):
    tree(tmp_path, ["1.png", "2.png"])
    write(tmp_path / "l.csv", 'path, label\n"1.png", "a, b"\n"2.png", "c"\n')
    assert [name for _, _, name, _ in seen(tmp_path)[0]] == ["a, b", "c"]
