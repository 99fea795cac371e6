"""VOC's xml files where others than VOC put them."""

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import detect
from tests.pipeline.datasets.objects.test_voc import described


def laid_out(root, png, write, image, xml, parts=("",)):
    """Three images in each part, the box of each as wide as its number."""
    for part in parts:
        for n in (1, 2, 3):
            write(root / image.format(part=part, n=n), png(n, 6, 5))
            write(root / xml.format(part=part, n=n), described(("dog", (1, 1, n, 5)), width=6, height=5))
    return root


@pytest.mark.parametrize(
    ("image", "xml"),
    [
        ("images/{n}.png", "annotations/{n}.xml"),  # as many sets on Kaggle
        ("images/{n}.png", "annotations/xmls/{n}.xml"),  # as Oxford's pets
        ("JPEGImages/{n}.PNG", "Annotations/{n}.XML"),
        ("Images/{n}.png", "labels/{n}.xml"),
        ("imgs/{n}.png", "bboxes/{n}.xml"),
    ],
)
def test_folders_by_other_names(tmp_path, png, write, prepared, image, xml):
    root = laid_out(tmp_path / "set", png, write, image, xml)
    dataset = prepared(root, test_share=0, val_share=0)
    assert dataset.summary["format"] == "voc-boxes"
    assert [dataset.path(i) for i in range(3)] == [image.format(n=n) for n in (1, 2, 3)]
    assert [dataset.objects(i).boxes[0].tolist() for i in range(3)] == [[0, 0, n, 5] for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("image", "xml"),
    [
        ("{part}/images/{n}.png", "{part}/annotations/{n}.xml"),
        ("images/{part}/{n}.png", "annotations/{part}/{n}.xml"),
        ("JPEGImages/{part}/{n}.png", "Annotations/{part}/{n}.xml"),
    ],
)
def test_folders_are_splits(tmp_path, png, write, prepared, image, xml):
    root = laid_out(tmp_path / "set", png, write, image, xml, parts=("train", "test"))
    dataset = prepared(root, val_share=0)
    assert dataset.split_names == {"train": "train", "test": "test"}
    for split in ("train", "test"):
        rows = dataset.indices(split).tolist()
        assert [dataset.path(row) for row in rows] == [image.format(part=split, n=n) for n in (1, 2, 3)]
        assert [dataset.objects(row).boxes[0, 2] for row in rows] == [1, 2, 3]


def test_images_and_xml_files_without_each_other_are_named(tmp_path, png, write, prepared):
    root = laid_out(tmp_path / "set", png, write, "images/{n}.png", "annotations/{n}.xml")
    write(root / "images/8.png", png(8, 6, 5))
    write(root / "images/2.jpg", png(9, 6, 5))
    write(root / "annotations/9.xml", described(("dog", (1, 1, 2, 5))))
    dataset = prepared(root, test_share=0, val_share=0, max_bad_share=0.9)
    assert [dataset.path(i) for i in range(len(dataset))] == ["images/1.png", "images/3.png"]
    left_out = (dataset.directory / "quarantine.csv").read_text()
    assert "expected one image for annotations/2.xml, found images/2.jpg and images/2.png" in left_out
    assert 'annotations/9.xml,"no such image' in left_out or "annotations/9.xml,no such image" in left_out
    assert "no annotations: expected 8.xml in a folder of annotations, or data.unannotated" in left_out
    bare = prepared(root, test_share=0, val_share=0, max_bad_share=0.9, unannotated="no-objects")
    assert len(bare) == 3


def test_other_xml_files_are_none_of_voc(tmp_path, png, write):
    root = tmp_path / "set"
    for n in range(3):
        write(root / f"images/{n}.png", png(n))
        write(root / f"annotations/{n}.xml", "<alto></alto>")
    assert detect(DataConfig(source=str(root))) == "image-folder"
