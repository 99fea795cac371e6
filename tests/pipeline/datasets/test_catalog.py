import tarfile
import zipfile

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import FORMATS, LABEL_MAPS, OBJECTS, check_format, detect, open_source


def test_formats_are_told_by_looking(tmp_path, tree):
    folder = tree(tmp_path / "photos", ["a/1.png", "b/2.png"])
    with zipfile.ZipFile(tmp_path / "no-suffix", "w") as archive:
        archive.write(folder / "a/1.png", "a/1.png")
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.add(folder, "photos")
    np.savez(tmp_path / "c.npz", x_train=np.zeros((2, 3, 3), np.uint8))
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx/train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\0\0\0\x01" * 3 + b"x")
    expected = {
        "photos": "image-folder",
        "no-suffix": "archive",
        "b.tar": "archive",
        "c.npz": "npz",
        "idx": "idx",
    }
    for name, format_name in expected.items():
        found, source = open_source(DataConfig(source=str(tmp_path / name)))
        assert found == format_name
        assert len(list(source.entries())) == len(source) > 0
    assert detect(DataConfig()) == "photo-scenes"


def test_an_unknown_format_is_refused_with_those_that_there_are(tmp_path):
    for name in FORMATS:
        check_format(DataConfig(source="x", format=name))
    message = r"data\.format: unknown format 'imagefolder'; did you mean 'image-folder'\? choose from "
    with pytest.raises(ValueError, match=message):
        open_source(DataConfig(source=str(tmp_path), format="imagefolder"))


def test_mistakes_name_the_source(tmp_path):
    (tmp_path / "words.txt").write_text("words")
    with pytest.raises(ValueError, match=r"words\.txt is in no known format"):
        detect(DataConfig(source=str(tmp_path / "words.txt")))
    with pytest.raises(ValueError, match=r"is a folder: expected data\.format in .*found npz"):
        open_source(DataConfig(source=str(tmp_path), format="npz"))
    with pytest.raises(ValueError, match=r"expected the same of data\.source"):
        detect(DataConfig(source=str(tmp_path), format="photo-scenes"))


def test_annotated_folders_are_told_by_looking(tmp_path, tree, write):
    layouts = {
        "voc-masks": (["JPEGImages/1.png", "SegmentationClass/1.png"], []),
        "voc-boxes": (["JPEGImages/1.png"], ["Annotations/1.xml"]),
        "ade20k": (["images/training/1.png", "annotations/training/1.png"], []),
        "imagenet-s": (["train-semi/n1/1.png", "train-semi-segmentation/n1/1.png"], []),
        "image-masks": (["images/1.png", "masks/1.png"], []),
        "coco": (["images/1.png"], ["annotations/instances_train.json"]),
        "yolo": (["images/1.png"], ["labels/1.txt", "classes.txt"]),
        "image-folder": (["images/1.png"], ["labels/1.txt"]),
        "cvat": (["images/1.png"], ["annotations.xml"]),
        "labelme": (["1.png", "2.png"], ["1.json"]),
    }
    content = {"cvat": "<annotations/>", "labelme": '{"shapes": [], "imagePath": "1.png"}'}
    for name, (images, others) in layouts.items():
        tree(tmp_path / name / "wrapper", images)
        for path in others:
            write(tmp_path / name / "wrapper" / path, content.get(name, "<annotation/>"))
        assert detect(DataConfig(source=str(tmp_path / name))) == name


def test_several_annotations_need_the_word(tmp_path, tree, write):
    root = tree(tmp_path / "VOC2012", ["JPEGImages/1.png", "SegmentationClass/1.png"])
    write(root / "Annotations/1.xml", "<annotation/>")
    words = r"annotated in several ways: set data\.format to voc-boxes, voc-masks, or to image-folder"
    with pytest.raises(ValueError, match=words):
        detect(DataConfig(source=str(root)))
    for name in ("voc-masks", "voc-boxes", "image-folder"):
        assert detect(DataConfig(source=str(root), format=name)) == name


@pytest.mark.parametrize("name", [*OBJECTS, *LABEL_MAPS])
def test_a_word_for_another_layout_says_what_it_expects(tmp_path, tree, name):
    root = tree(tmp_path / "photos", ["a/1.png"])
    with pytest.raises(ValueError, match="photos: expected "):
        open_source(DataConfig(source=str(root), format=name))
    (tmp_path / "words.zip").write_bytes(b"x")
    with pytest.raises(ValueError, match=f"is a file: expected data.format in .*found {name}"):
        open_source(DataConfig(source=str(tmp_path / "words.zip"), format=name))


def test_settings_that_a_format_has_no_use_for_are_refused(tmp_path, tree):
    root = tree(tmp_path / "photos", ["a/1.png"])
    for section, words in (
        ({"class_names": ["a"]}, r"data\.class_names: data in the format image-folder names its classes"),
        ({"label_values": [1]}, r"data\.label_values: data in the format image-folder has no label maps"),
        ({"ignored_labels": [1]}, r"data\.ignored_labels: data in the format image-folder has no label maps"),
        ({"crowds": "objects"}, r"data\.crowds: data in the format image-folder has no crowds"),
        ({"corners": "from-0"}, r"data\.corners: data in the format image-folder has no corners"),
    ):
        with pytest.raises(ValueError, match=words):
            open_source(DataConfig(source=str(root), **section))
