import pytest

from pipeline.datasets.image_folder import ImageFolder


@pytest.mark.parametrize(("suffix", "is_noted"), [("png", True), ("jpg", False)])
def test_equal_names_in_other_formats_are_a_doubt(tmp_path, tree, suffix, is_noted):
    """rgb/x.jpg and depth/x.png are views of one picture; cat/1.jpg and dog/1.jpg are not."""
    tree(tmp_path, [f"rgb/{i}.jpg" for i in range(4)] + [f"depth/{i}.{suffix}" for i in range(4)])
    notes = ImageFolder(tmp_path, max_bytes=10**6).notes
    words = "caution: the folders depth/, rgb/ hold files of equal names in different formats"
    assert [note.startswith(words) for note in notes] == [True] * is_noted


@pytest.mark.parametrize(
    ("names", "is_noted"),
    [
        (("p81", "a3", "x", "q7", "z"), True),
        ((81, 4, 1077, 502, 33), True),
        ((81, 82, 83, 84, 85), False),
        ((3, 5, 6, 8, 9), False),  # numbers, of which some were deleted
        (("p81", "a3", "x", "q7"), False),
    ],
)
def test_equal_names_that_are_no_running_numbers_are_a_doubt(tmp_path, tree, names, is_noted):
    tree(tmp_path, [f"{folder}/{name}.jpg" for folder in ("before", "after") for name in names])
    notes = ImageFolder(tmp_path, max_bytes=10**6).notes
    words = "caution: the folders after/, before/ hold files of equal names, and are taken for classes"
    assert [note.startswith(words) for note in notes] == [True] * is_noted
