import pytest

from pipeline.datasets.tables.columns import class_name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (3, "3"), (3.0, "3"), ("03", "03"), (" cat ", "cat"), ("(other)", "(other)"),
        ("golden retriever",) * 2, ("crane, bird",) * 2, (True, "True"),
        (None, None), (-1, None), ("", None), ("-1", None), ("2.0", "2"),
    ],
)  # fmt: skip
def test_one_label_is_its_text(value, name):
    assert class_name(value, "x") == name


@pytest.mark.parametrize(
    "value", [[1], {"a": 1}, "a|b", "a;b", "[1, 2]", "['a']", "(1, 2)", "{1}", "1 2", "1,2"]
)
def test_several_labels_are_refused(value):
    with pytest.raises(ValueError, match=r"x, line 2: expected one label, found .*several are not"):
        class_name(value, "x, line 2")
