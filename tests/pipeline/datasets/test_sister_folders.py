import pytest

from pipeline.datasets.layout import Layout


def crossed(outer, inner, between=""):
    return [f"{one}/{between}{other}" for one in outer for other in inner]


@pytest.mark.parametrize(
    "folders",
    [
        crossed(("amazon", "dslr", "webcam"), ("bike", "mug"), "images/"),  # Office-31
        crossed(("40X", "100X", "200X"), ("benign", "malignant")),
        crossed(("h1", "h2", "h3", "h4"), ("neg", "pos")),
    ],
)
def test_sites_with_the_same_folders_are_refused(folders):
    first = sorted({folder.split("/")[0] for folder in folders})[0]
    with pytest.raises(
        ValueError, match=rf'of the same names, .*for classes data\.parts = {{ "{first}" = "class"'
    ):
        Layout.of(folders)
    assert Layout.of(folders, {first: "class"}).split_and_class(folders[0])[1] == folders[0].split("/")[0]


@pytest.mark.parametrize("inner", [("left", "right"), ("rgb", "depth"), ("1", "2"), ("s01", "s02")])
def test_views_of_classes_are_a_doubt(inner):
    layout = Layout.of(crossed(("cat", "dog", "owl"), inner))
    assert layout.split_and_class(f"cat/{inner[0]}") == (None, "cat")
    assert layout.notes[0].startswith("caution: folders of the same names")


def test_a_lone_folder_in_each_class_is_none():
    layout = Layout.of(crossed(("cat", "dog"), ("",), "images"))
    assert layout.split_and_class("cat/images") == (None, "cat")
    assert not layout.notes


@pytest.mark.parametrize("above", ["", "train/"])
def test_a_copy_of_the_set_inside_it_is_no_class(above):
    """As archives unpack that were packed with the folder and once more beside it."""
    folders = [f"{above}{name}" for name in ("no", "yes", "tumour_set/no", "tumour_set/yes")]
    with pytest.raises(
        ValueError,
        match=r'found tumour_set/ .* no/, yes/, a copy .*{ "tumour_set" = "unused" } leaves it out',
    ):
        Layout.of(folders)
    layout = Layout.of(folders, {"tumour_set": "unused"})
    assert layout.split_and_class(f"{above}yes")[1] == "yes"
    assert layout.split_and_class(f"{above}tumour_set/yes") is None
    as_class = Layout.of(folders, {"tumour_set": "class"})
    assert as_class.split_and_class(f"{above}tumour_set/yes")[1] == "tumour_set"


def test_one_equal_name_below_is_no_copy():
    layout = Layout.of(["apple", "pear/apple", "pear/other"])
    assert layout.split_and_class("pear/apple") == (None, "pear")
