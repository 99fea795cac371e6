from pathlib import PurePosixPath

import pytest

from pipeline.datasets.image_names import is_image_name, stem_and_suffix


@pytest.mark.parametrize(
    "path",
    [
        "a.png",
        "x/y.tar.GZ",
        ".png",
        "a.",
        "..",
        "a..png",
        "b.c/d",
        "e",
        "",
        "x/.hidden.jpg",
        "f .JPG",
        "ü.jpg",
    ],
)
def test_stems_and_suffixes_are_those_of_pathlib(path):
    expected = PurePosixPath(path)
    assert stem_and_suffix(path) == (expected.stem, expected.suffix.lower())


def test_images_by_their_suffix_in_any_case():
    assert is_image_name("train/a.b.JPeG")
    assert not any(map(is_image_name, (".jpg", "a.txt", "jpg", "a.jpg.txt")))
