import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.tables.label_cells import LabelCells


def read(cells, **section):
    reading = LabelCells.of(cells, DataConfig(**section), "t.csv")
    return [reading.labels(cell, "t.csv, line 2") for cell in cells]


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("Cardiomegaly|Emphysema", ("Cardiomegaly", "Emphysema")),  # NIH ChestX-ray14
        ("cat; dog", ("cat", "dog")),
        ("5 0 25", ("5", "0", "25")),  # Human Protein Atlas
        ("['cat', 'dog, wild']", ("cat", "dog, wild")),  # pandas
        ('["cat", "dog"]', ("cat", "dog")),  # JSON
        ("[3 14]", ("3", "14")),  # NumPy
        ("{cat,dog}", ("cat", "dog")),  # PostgreSQL
        ("[]", ()),
        (["cat", "dog", "cat"], ("cat", "dog")),
        ([], ()),
        ([1, 12], ("1", "12")),
    ],
)
def test_a_cell_that_is_a_list_makes_the_column_one(cell, labels):
    assert read([cell, "cat", "", None]) == [
        (None, labels), (None, ("cat",)), (None, None), (None, None)
    ]  # fmt: skip


def test_commas_are_between_labels_where_the_parts_are_in_other_cells_too():
    assert read(["a, b", "b, c", "c, a"]) == [(None, ("a", "b")), (None, ("b", "c")), (None, ("c", "a"))]
    plain = ["crane, bird", "crane, machine", "owl"]
    assert read(plain) == [(name, None) for name in plain]


def test_one_label_each_stays_one_class():
    assert read(["cat", "dog (wild)", "haze primary"]) == [
        ("cat", None), ("dog (wild)", None), ("haze primary", None)
    ]  # fmt: skip


def test_a_stated_separator_and_stated_several():
    assert read(["haze primary", "clear"], label_separator=" ") == [
        (None, ("haze", "primary")), (None, ("clear",))
    ]  # fmt: skip
    assert read(["a,b", "c"], labels="several") == [(None, ("a", "b")), (None, ("c",))]


@pytest.mark.parametrize("cell", ["cat|dog", ["cat", "dog"]])
def test_several_are_refused_where_one_is_stated(cell):
    with pytest.raises(
        ValueError, match=r"t\.csv, line 2: expected one label, found .* several are not.*few-shot asks"
    ):
        read([cell], labels="one")


def test_what_measures_something_is_no_label():
    with pytest.raises(ValueError, match=r"line 2: expected a class, found the number 0\.5"):
        read(["cat|0.5"])


def test_a_separator_of_one_label_is_a_contradiction():
    with pytest.raises(ValueError, match='label_separator is of several labels in a cell; labels is "one"'):
        DataConfig(labels="one", label_separator=" ")


@pytest.mark.parametrize(
    "cells", [[[0, 1, 1], [0, 0, 0]], ["0 1 1", "0 0 0"], ["[False, True, True]", "[0, 0, 0]"]]
)
def test_lists_of_0_and_1_say_so_of_each_class(cells):
    """As labels each would be the classes 0 and 1 again and again."""
    assert read([*cells, None]) == [(None, ("1", "2")), (None, ()), (None, None)]
    assert LabelCells.of(cells, DataConfig(), "t.csv").class_names == ("0", "1", "2")


def test_lists_of_differing_length_are_labels_also_where_they_are_0_and_1():
    assert read(["0 1", "1", "0"]) == [(None, ("0", "1")), (None, ("1",)), (None, ("0",))]
