import pytest

from pipeline.datasets.layout import Layout


@pytest.mark.parametrize(
    ("folders", "folder", "expected"),
    [
        ([""], "", (None, None)),
        (["cat", "dog"], "cat", (None, "cat")),
        (["cat/young", "cat/old", "dog"], "cat/young", (None, "cat")),
        (["photos"], "photos", (None, None)),
        (["set/v1/cat", "set/v1/dog/x"], "set/v1/dog/x", (None, "dog")),
        (["train/cat", "test/cat"], "test/cat", ("test", "cat")),
        (["w/Train/cat", "w/VAL/cat"], "w/VAL/cat", ("VAL", "cat")),
        (["train", "valid"], "valid", ("valid", None)),
        (["train/cat"], "train/cat", ("train", "cat")),
        (["train/a/b/c", "validation/a"], "train/a/b/c", ("train", "a")),
        (["train/cat", "test/cat", "extra"], "extra", None),
        (["train/cat", "test/cat", ""], "", None),
        (["cat", "cats"], "cats", (None, "cats")),
    ],
)
def test_place(folders, folder, expected):
    assert Layout.of(folders).place(folder) == expected
