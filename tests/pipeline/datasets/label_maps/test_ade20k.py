import numpy as np
import pytest


@pytest.fixture
def ade(tmp_path, png, label_png, write):
    root = tmp_path / "ADEChallengeData2016"
    for folder, numbers in (("training", (0, 1)), ("validation", (2,))):
        for number in numbers:
            write(root / f"images/{folder}/ADE_{number}.png", png(number))
            write(root / f"annotations/{folder}/ADE_{number}.png", label_png([[0, 1, 150, number, 7]] * 4))
    return root


def test_labels_are_one_less_and_zero_counts_for_nothing(ade, prepared):
    """T8: ADE20K's 0 is ignored, 1 to 150 are the classes."""
    dataset = prepared(ade, val_share=0)
    assert dataset.summary["format"] == "ade20k"
    assert dataset.class_names == [str(number) for number in range(150)]
    assert dataset.label_map(1).tolist() == [[-1, 0, 149, 0, 6]] * 4
    assert dataset.split_names == {"train": "train", "test": "val"}


def test_labels_that_somebody_lowered_already_are_refused(ade, prepared, write, label_png):
    """T8: the label 254 that a naive "minus one" makes of 255 is refused, with the name of the file."""
    values = np.array([[1, 2, 3, 4, 255]] * 4) - 1
    write(ade / "annotations/training/ADE_0.png", label_png(values))
    with pytest.raises(ValueError, match=r"training/ADE_0\.png: 4 pixels of value 254, expected 1 to 150"):
        prepared(ade)


def test_names_come_with_the_data(ade, prepared, write):
    lines = ["Idx\tRatio\tTrain\tVal\tName"]
    lines += [f"{i}\t0.1\t1\t1\t{'screen, ' if i in (7, 9) else ''}thing {i}, other" for i in range(1, 151)]
    write(ade / "objectInfo150.txt", "\n".join(lines))
    names = prepared(ade).class_names
    assert (names[0], names[6], names[8]) == ("thing 1", "screen, thing 7, other", "screen, thing 9, other")
    write(ade / "objectInfo150.txt", "\n".join(lines[:100]))
    with pytest.raises(ValueError, match=r"objectInfo150\.txt: expected 150 distinct classes, found 99"):
        prepared(ade)


def test_own_classes_in_these_folders_are_not_shifted(ade, prepared, write, label_png):
    """0 is a class where the values are not ADE20K's."""
    for folder, number in (("training", 0), ("training", 1), ("validation", 2)):
        write(ade / f"annotations/{folder}/ADE_{number}.png", label_png([[0, 1, 2, 3, 255]] * 4))
    dataset = prepared(ade)
    assert dataset.class_names == ["0", "1", "2", "3"]
    assert dataset.label_map(0).tolist() == [[0, 1, 2, 3, -1]] * 4
    assert dataset.summary["notes"][0].startswith("caution: classes are named by their number")
    with pytest.raises(ValueError, match=r"names 4 classes .* from 1; state data\.label_values too"):
        prepared(ade, class_names=list("abcd"))
    dataset = prepared(ade, class_names=list("abcd"), label_values=tuple(range(4)), ignored_labels=[255])
    assert dataset.label_map(0).tolist() == [[0, 1, 2, 3, -1]] * 4
