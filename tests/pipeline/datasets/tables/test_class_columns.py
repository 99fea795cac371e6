import pytest

from pipeline.datasets.tables.class_columns import UncertainLabels, classes_of, find_class_columns

ROWS = [
    {"age": "7", "cat": "1", "dog": "0.0", "owl": "False"},
    {"age": "1", "cat": "0", "dog": "1.0", "owl": "True"},
    {"age": "0", "cat": "", "dog": "", "owl": ""},
]


def test_columns_of_0_and_1_are_classes_and_the_others_are_named():
    found = find_class_columns(ROWS, ["age", "cat", "dog", "owl"], "t.csv")
    assert (found.names, found.others) == (("cat", "dog", "owl"), ("age",))
    assert [classes_of(row, found.names) for row in ROWS] == [("cat",), ("dog", "owl"), None]


def test_one_such_column_is_no_set_of_classes():
    assert find_class_columns(ROWS[:2], ["age", "cat"], "t.csv") is None


@pytest.mark.parametrize(("cell", "found"), [("-1.0", "-1"), ("", "nothing")])
def test_uncertain_labels_are_refused(cell, found):
    rows = [{"cat": "1", "dog": "0"}, {"cat": "0", "dog": cell}]
    words = rf"t\.csv: column 'dog', row 2: expected 0 or 1 for each class, found {found} \(1 such columns\)"
    with pytest.raises(UncertainLabels, match=words):
        find_class_columns(rows, ["cat", "dog"], "t.csv")
