import pytest


@pytest.fixture
def cityscapes(tmp_path, png, label_png, write):
    """Two cities for training, one for validation, one to test on; void ids among them."""
    root = tmp_path / "cityscapes"
    for split, city in (("train", "aachen"), ("train", "ulm"), ("val", "lindau"), ("test", "bonn")):
        name = f"{split}/{city}/{city}_000000_000019"
        write(root / f"leftImg8bit/{name}_leftImg8bit.png", png(len(city)))
        labels = [[1, 3, 0, 1, 3]] if split == "test" else [[7, 8, 33, 1, 255], [26, 24, 9, 29, 31]]
        write(root / f"gtFine/{name}_gtFine_labelIds.png", label_png(labels * (4 // len(labels))))
        write(root / f"gtFine/{name}_gtFine_instanceIds.png", label_png([[26001] * 5] * 4, "I;16"))
        write(root / f"gtFine/{name}_gtFine_color.png", png(9))
    return root


def test_ids_become_the_19_scored_classes(cityscapes, prepared):
    """Road is 7, bicycle 33; parking (9) and caravan (29) are not scored. The test part has no labels."""
    dataset = prepared(cityscapes, val_share=0)
    assert dataset.summary["format"] == "cityscapes"
    assert len(dataset.class_names) == 19
    assert (dataset.class_names[0], dataset.class_names[18]) == ("road", "bicycle")
    assert dataset.label_map(0).tolist() == [[0, 1, 18, -1, -1], [13, 11, -1, -1, 16]] * 2
    assert dataset.split_names == {"train": "train", "test": "val"}
    assert len(dataset) == 3
    assert dataset.path(0) == "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"


def test_other_names_for_them(cityscapes, prepared):
    names = [f"class {number}" for number in range(19)]
    dataset = prepared(cityscapes, val_share=0, class_names=names)
    assert dataset.label_map(0)[0].tolist() == [0, 1, 18, -1, -1]
    with pytest.raises(ValueError, match=r"names 2 classes of a layout whose values count from 7"):
        prepared(cityscapes, class_names=["a", "b"])


def test_own_classes_in_its_folders(cityscapes, prepared, write, label_png):
    """datumaro's form: own numbers, which label_colors.txt beside the folders names."""
    for path in cityscapes.rglob("*_labelIds.png"):
        write(path, label_png([[0, 1, 2, 1, 0]] * 4))
    write(cityscapes / "label_colors.txt", "background\nzebra\napple\n")
    dataset = prepared(cityscapes, val_share=0)
    assert dataset.class_names == ["background", "zebra", "apple"]
    assert dataset.label_map(0)[0].tolist() == [0, 1, 2, 1, 0]
    assert dataset.split_names == {"train": "train", "val": "val", "test": "test"}


def test_an_image_without_labels_is_left_out(cityscapes, prepared):
    next(cityscapes.glob("gtFine/val/*/*_labelIds.png")).unlink()
    with pytest.raises(ValueError, match=r"no label map: expected gtFine/val/lindau/lindau_000000_000019_gt"):
        prepared(cityscapes)


@pytest.mark.parametrize("line", ["{name}", "{number} 40 {number} {name}"])
def test_names_without_the_background_would_be_one_off(cityscapes, prepared, write, label_png, line):
    """datumaro leaves the background out, with colours or without."""
    for path in cityscapes.rglob("*_labelIds.png"):
        write(path, label_png([[0, 1, 2, 1, 0]] * 4))
    names = [line.format(name=name, number=number) for number, name in enumerate(("zebra", "apple"))]
    write(cityscapes / "label_colors.txt", "\n".join(names))
    with pytest.raises(
        ValueError, match=r"expected a name for each value from 0 to 2, found 2 names; where 0"
    ):
        prepared(cityscapes)
    write(cityscapes / "label_colors.txt", "\n".join([line.format(name="none", number=9), *names]))
    assert prepared(cityscapes, val_share=0).class_names == ["none", "zebra", "apple"]


def test_some_of_the_classes(cityscapes, prepared):
    dataset = prepared(cityscapes, val_share=0, class_names=["car", "road"], label_values=[26, 7])
    assert dataset.label_map(0).tolist() == [[1, -1, -1, -1, -1], [0, -1, -1, -1, -1]] * 2
