"""ChestX-ray14 and CheXpert as they are published."""

import pytest

from pipeline.datasets.multilabel import read_label_sets

FINDINGS = {
    "00000001_000.png": "Cardiomegaly",
    "00000001_001.png": "Cardiomegaly|Emphysema",
    "00000002_000.png": "No Finding",
    "00000003_000.png": "Hernia|Cardiomegaly",
    "00000004_000.png": "No Finding",
    "00000005_000.png": "Emphysema",
}


def label_sets(dataset):
    """{name of an image: its classes}."""
    matrix, names = read_label_sets(dataset), dataset.class_names
    return {
        dataset.path(row): {name for name, value in zip(names, matrix[row], strict=True) if value == 1}
        for row in range(len(dataset))
    }


@pytest.fixture
def chest_xray(tmp_path, tree, write):
    root = tmp_path / "nih"
    names = list(FINDINGS)
    tree(root, [f"images_{1 + place // 3:03d}/images/{name}" for place, name in enumerate(names)])
    rows = (f"{name},{FINDINGS[name]},0,1,58,M,PA,2682,2749,0.143,0.143," for name in names)
    header = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
    )
    write(root / "Data_Entry_2017.csv", "\n".join([header, *rows]))
    write(root / "train_val_list.txt", "\n".join(names[:4]))
    write(root / "test_list.txt", "\n".join(names[4:]))
    return root


def test_chest_xray_14(chest_xray, prepared):
    dataset = prepared(chest_xray, val_share=0.0)
    found = {path.rpartition("/")[2]: classes for path, classes in label_sets(dataset).items()}
    assert found == {name: set(words.split("|")) for name, words in FINDINGS.items()}
    assert dataset.summary["format"] == "csv"
    assert {dataset.path(row).rpartition("/")[2] for row in dataset.indices("test")} == set(
        list(FINDINGS)[4:]
    )
    assert len(dataset.indices("train")) == 4
    assert "splits: by test_list.txt (2 images), train_val_list.txt (4 images)" in dataset.summary["notes"]


def test_its_boxes_beside_it_are_no_labels_of_it(chest_xray, write, prepared):
    write(
        chest_xray / "BBox_List_2017.csv",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000001_000.png,Cardiomegaly,1,1,2,2\n",
    )
    dataset = prepared(chest_xray, val_share=0.0)
    assert len(label_sets(dataset)) == 6


CHEXPERT = """Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Cardiomegaly,Edema
CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,
CheXpert-v1.0-small/train/patient00002/study1/view1_frontal.jpg,Male,87,Frontal,AP,,-1.0,1.0
CheXpert-v1.0-small/train/patient00002/study2/view1_lateral.jpg,Male,83,Lateral,,,0.0,
CheXpert-v1.0-small/train/patient00003/study1/view1_frontal.jpg,Male,83,Frontal,PA,,,
"""
VALID = """Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Cardiomegaly,Edema
CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,0.0,1.0,0.0
CheXpert-v1.0-small/valid/patient64542/study1/view1_frontal.jpg,Male,70,Frontal,PA,1.0,0.0,0.0
"""


@pytest.fixture
def chexpert(tmp_path, png, write):
    root = tmp_path / "CheXpert-v1.0-small"
    for number, line in enumerate([*CHEXPERT.splitlines()[1:], *VALID.splitlines()[1:]]):
        write(tmp_path / line.split(",")[0], png(number))
    write(root / "train.csv", CHEXPERT)
    write(root / "valid.csv", VALID)
    return root


def test_chexpert_is_refused_until_its_uncertain_labels_are_settled(chexpert, prepared):
    words = r"train\.csv: column 'Cardiomegaly', row 1: expected 0 or 1 .* state data\.uncertain_labels"
    with pytest.raises(ValueError, match=words):
        prepared(chexpert)


@pytest.mark.parametrize(
    ("uncertain", "second"), [("absent", {"Edema"}), ("present", {"Cardiomegaly", "Edema"})]
)
def test_chexpert(chexpert, prepared, uncertain, second):
    dataset = prepared(chexpert, uncertain_labels=uncertain, val_share=0.0)
    assert dataset.class_names == ["No Finding", "Cardiomegaly", "Edema"]
    found = label_sets(dataset)
    assert found["train/patient00002/study1/view1_frontal.jpg"] == second
    assert found["train/patient00002/study2/view1_lateral.jpg"] == set()
    assert found["valid/patient64541/study1/view1_frontal.jpg"] == {"Cardiomegaly"}
    assert dataset.summary["label_sets"]["num_unlabelled"] == 1  # nothing is said of patient 3
    assert {dataset.path(row).split("/")[0] for row in dataset.indices("test")} == {"valid"}


def test_columns_of_classes_are_there_where_the_key_is_stated(tmp_path, tree, write, prepared):
    tree(tmp_path / "set", ["1.png"])
    write(tmp_path / "set/l.csv", "path,label\n1.png,cat\n")
    with pytest.raises(ValueError, match=r"l\.csv: data\.uncertain_labels: expected a column of 0 and 1"):
        prepared(tmp_path / "set", uncertain_labels="absent")
