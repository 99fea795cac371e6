import pytest

from pipeline.datasets.passed_over import passed_over


@pytest.mark.parametrize(
    ("named", "line"),
    [
        (("a/0.png", "a/1.png", "2.png", "b/c/3.png"), []),
        (("a/0.png",), ["skipped: images of no list: 1 in a/, 1 in ./, 1 in b/c/"]),
    ],
)
def test_images_that_are_not_named_are_counted_by_folder(tmp_path, tree, named, line):
    root = tree(tmp_path / "set", ["a/0.png", "a/1.png", "2.png", "b/c/3.png"])
    (root / "note.txt").write_text("no image")
    found = passed_over(root, set(named), "images of no list")
    assert [sorted(each.split(": ")[-1].split(", ")) for each in found] == [
        sorted(each.split(": ")[-1].split(", ")) for each in line
    ]
    assert [each.rpartition(": ")[0] for each in found] == [each.rpartition(": ")[0] for each in line]


def test_many_folders_are_summed(tmp_path, tree):
    root = tree(tmp_path / "set", [f"{folder}/0.png" for folder in "abcdefg"])
    (line,) = passed_over(root, set(), "images")
    assert line == "skipped: images: 1 in a/, 1 in b/, 1 in c/, 1 in d/, 1 in e/, 7 in all"


def test_images_that_no_json_file_names(tmp_path, tree, write, prepared):
    root = tree(tmp_path / "coco", ["images/0.png", "images/1.png", "images/2.png", "unlabeled2017/3.png"])
    write(
        root / "annotations/instances_all.json",
        '{"images": [{"id": 0, "file_name": "0.png"}, {"id": 1, "file_name": "1.png"}],'
        '"annotations": [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 2, 2]}],'
        '"categories": [{"id": 1, "name": "disc"}]}',
    )
    data = prepared(root, test_share=0.0, val_share=0.0)
    assert len(data) == 2
    note = "skipped: images that no json file of COCO names: 1 in images/, 1 in unlabeled2017/"
    assert note in data.summary["notes"]


def test_images_that_no_list_of_voc_names(tmp_path, tree, write, prepared):
    root = tree(tmp_path / "voc", ["JPEGImages/0.png", "JPEGImages/1.png", "JPEGImages/2.png"])
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox>"
    for name in "012":
        text = f"<annotation><object><name>disc</name>{box}</object></annotation>"
        write(root / f"Annotations/{name}.xml", text)
    write(root / "ImageSets/Main/train.txt", "0\n1\n")
    data = prepared(root, test_share=0.0, val_share=0.0)
    assert len(data) == 2
    note = "skipped: image files that no list or xml file names: 1 in JPEGImages/"
    assert note in data.summary["notes"]
