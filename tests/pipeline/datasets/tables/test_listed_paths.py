import pytest

from pipeline.datasets.image_names import IMAGE_SUFFIXES
from pipeline.datasets.images_by_name import ImagePath
from pipeline.datasets.tables.listed_paths import ListedPaths


def places(folder, names, split=None):
    paths = ListedPaths(folder / "l.csv", names, IMAGE_SUFFIXES)
    return [paths.locate(name, split).path for name in names], paths


@pytest.mark.parametrize(
    ("names", "lead"),
    [
        (["train\\cat\\1.png", "train\\dog\\2.png"], None),
        (["C:\\data\\train\\cat\\1.png", "C:\\data\\train\\dog\\2.png"], "C:/data/"),
        (["/home/x/train/cat/1.png", "/home/x/train/dog/2.png"], "home/x/"),
        (["../x/train/cat/1.png", "../x/train/dog/2.png"], "x/"),
        (["./train/cat/1.png", "train/../train/dog/2.png"], None),
        (["set-small/train/cat/1.png", "set-small/train/dog/2.png"], "set-small/"),
    ],
)
def test_paths_of_other_machines_lose_their_leading_folders(tmp_path, tree, names, lead):
    tree(tmp_path, ["train/cat/1.png", "train/dog/2.png", "cat/1.png", "1.png"])
    found, paths = places(tmp_path, names)
    assert found == ["train/cat/1.png", "train/dog/2.png"]
    assert (lead in paths.note) if lead else paths.note is None


def test_no_path_leads_out_of_the_folder(tmp_path, tree):
    tree(tmp_path, ["set/1.png", "2.png"])
    found, _ = places(tmp_path / "set", ["1.png", "../2.png", str(tmp_path / "2.png"), "a/../../2.png"])
    assert found == ["1.png", "2.png", f"{str(tmp_path)[1:]}/2.png", "2.png"]  # missing ones, inside
    with pytest.raises(ValueError, match=r"its images, such as '\.\./2\.png', are neither in"):
        places(tmp_path / "set", ["../2.png"])


def test_a_name_is_found_in_whichever_folder_has_it(tmp_path, tree):
    tree(tmp_path, ["images_001/images/1.png", "images_002/images/2.png", "images_002/images/3.png"])
    found, _ = places(tmp_path, ["1.png", "2.png", "3.png"])
    assert found == ["images_001/images/1.png", "images_002/images/2.png", "images_002/images/3.png"]
    assert places(tmp_path, ["1", "2"])[0] == ["images_001/images/1.png", "images_002/images/2.png"]


def test_of_two_images_of_one_name_neither_is_taken_unless_the_split_tells(tmp_path, tree):
    tree(tmp_path, ["set/train/1.png", "set/test/1.png", "set/train/2.png"])
    paths = ListedPaths(tmp_path / "l.csv", ["2.png", "1.png"], IMAGE_SUFFIXES)
    assert paths.locate("1.png", "Testing") == ImagePath("set/test/1.png")
    assert "2 images have this name" in paths.locate("1.png", None).problem


def test_an_image_of_another_folder_is_not_the_one_that_is_listed(tmp_path, tree):
    tree(tmp_path, ["cat/1.png", "cat/2.png", "dog/3.png"])
    assert places(tmp_path, ["cat/1.png", "dog/2.png"])[0] == ["cat/1.png", "dog/2.png"]
    names = ["/a/cat/1.png", "/b/dog/3.png", "/b/dog/2.png"]
    assert places(tmp_path, names)[0] == ["cat/1.png", "dog/3.png", "b/dog/2.png"]
