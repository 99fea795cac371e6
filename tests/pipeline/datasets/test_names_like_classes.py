import re
import zipfile

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import open_source
from pipeline.datasets.names_like_classes import names_like_classes


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["cat.0", "cat.1", "cat.2", "dog.0", "dog.1", "dog.2"], "6 of 6 .*'cat' \\(3\\), 'dog' \\(3\\)"),
        (["0002_c1s1_1", "0002_c2s1_2", "0002_c3s1_3", "0007_c1s1_4", "0007_c1s2_5", "0007_c4s1_6"],
         "'0002' \\(3\\), '0007' \\(3\\)"),
        ([f"Abyssinian_{n}" for n in range(4)] + [f"great_pyrenees_{n}" for n in range(3)],
         "'Abyssinian' \\(4\\), 'great_pyrenees' \\(3\\)"),
        ([f"n0144{n % 2}764_{n}" for n in range(8)], "'n01440764' \\(4\\), 'n01441764' \\(4\\)"),
        ([f"img_{n:03d}_{'no' * (n % 2)}defect" for n in range(8)], "'defect' \\(4\\), 'nodefect' \\(4\\)"),
        ([f"{n % 3}-{n}" for n in range(12)], "'0' \\(4\\), '1' \\(4\\), '2' \\(4\\)"),
        # Kaggle's training images have classes, its test images have numbers.
        ([f"{'cat' if n % 2 else 'dog'}.{n}" for n in range(8)] + [str(n) for n in range(6)], "8 of 14"),
        ([f"{'abcdef'[n % 6]}{n}" for n in range(24)], "'d' \\(4\\), ... \\(6 in all\\)"),
    ],
)  # fmt: skip
def test_names_with_classes_are_said(names, found):
    (note,) = names_like_classes(names)
    assert re.search(found, note)
    assert "a .csv list beside them with the columns path,label" in note


@pytest.mark.parametrize(
    "names",
    [
        [],
        [f"{n:06d}" for n in range(20)],
        [f"IMG_{n}" for n in range(9)] + [f"DSC{n}" for n in range(9)],
        [f"frame_{n}" for n in range(20)],
        [f"2024010{n % 5}_{n}" for n in range(20)],  # dates
        [f"20{n % 20:02d}_{n:06d}" for n in range(60)],  # years
        [f"cars_train{n}" for n in range(9)] + [f"cars_test{n}" for n in range(9)],
        [f"train_{n}" for n in range(9)] + [f"test_{n}" for n in range(9)],
        [f"{word}-{n}" for n, word in enumerate(("ash", "bay", "elm", "fir", "oak", "yew"))],  # each once
        ["3f2a", "77bc", "a0de", "c9e1"],
    ],
)
def test_names_of_cameras_numbers_and_dates_are_not(names):
    assert names_like_classes(names) == []


NAMES = [f"{name}.{n}.png" for name in ("cat", "dog") for n in range(3)]


def notes(root, **section):
    _, source = open_source(DataConfig(source=str(root), **section))
    return [note for note in source.notes if "look like classes" in note]


def test_a_folder_without_labels_says_so_and_reads_none(tmp_path, tree, prepared):
    root = tree(tmp_path / "set", [f"train/{name}" for name in NAMES])
    assert len(notes(root)) == 1
    assert prepared(root).class_names == []
    lines = [f"train/{name},{name[:3]}" for name in NAMES]
    (root / "labels.csv").write_text("\n".join(["path,label", *lines]))
    assert prepared(root, val_share=0, test_share=0).class_names == ["cat", "dog"]
    (root / "labels.csv").unlink()
    assert notes(root, class_folders=False) == []
    assert notes(tree(tmp_path / "labelled", [f"{n % 2}/{name}" for n, name in enumerate(NAMES)])) == []


def test_an_archive_says_so_too(tmp_path, png):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for number, name in enumerate(NAMES):
            archive.writestr(f"train/{name}", png(number))
    assert len(notes(tmp_path / "set.zip")) == 1
