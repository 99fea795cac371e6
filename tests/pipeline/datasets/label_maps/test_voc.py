import io

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.label_maps.voc import CLASSES, voc_colours
from pipeline.datasets.voc_layout import listed_names
from pipeline.storage.files import read_json


@pytest.fixture
def voc(tmp_path, png, label_png, write):
    root = tmp_path / "VOCdevkit/VOC2012"
    for number in range(4):
        write(root / f"JPEGImages/{number}.png", png(number))
        write(root / f"SegmentationClass/{number}.png", label_png([[0, 20, 255, number, 1]] * 4, "P"))
    write(root / "JPEGImages/not-segmented.png", png(9))
    write(root / "ImageSets/Segmentation/train.txt", "0\n1\n")
    write(root / "ImageSets/Segmentation/val.txt", "2\n3\n")
    write(root / "ImageSets/Segmentation/trainval.txt", "0\n1\n2\n3\n")
    return root


def test_palette_masks_are_read_as_indices(voc, tmp_path, prepared):
    """T12: a palette PNG is read as indices, not as colours."""
    dataset = prepared(tmp_path / "VOCdevkit", val_share=0)
    assert dataset.summary["format"] == "voc-masks"
    assert tuple(dataset.class_names) == CLASSES
    assert [dataset.path(i) for i in range(4)] == [f"VOC2012/JPEGImages/{i}.png" for i in range(4)]
    for i in range(4):
        assert dataset.label_map(i).tolist() == [[0, 20, -1, i, 1]] * 4
    assert dataset.split_names == {"train": "train", "test": "val"}


def test_masks_saved_in_colour_are_refused(voc, prepared, write, png):
    write(voc / "SegmentationClass/0.png", png(1))
    with pytest.raises(
        ValueError, match=r"SegmentationClass/0\.png: 1 pixels of the colour .*, which no class has"
    ):
        prepared(voc)


def test_without_lists_every_mask_counts(voc, prepared):
    for path in (voc / "ImageSets/Segmentation").iterdir():
        path.unlink()
    dataset = prepared(voc, val_share=0.25, test_share=0.25)
    assert dataset.summary["counts"] == {"train": 2, "val": 1, "test": 1}


def test_a_listed_image_that_is_missing_is_quarantined(voc, prepared):
    (voc / "JPEGImages/1.png").unlink()
    (voc / "SegmentationClass/2.png").unlink()
    with pytest.raises(ValueError, match=r"JPEGImages/1\.jpg: no such image.*\n.*/2\.png: no label map: exp"):
        prepared(voc)


def test_lists(voc, write):
    assert listed_names(voc, "Main") is None
    write(voc / "ImageSets/Main/trainval.txt", "1  1\n2 -1\n\n")
    write(voc / "ImageSets/Main/test.txt", "3\n")
    assert listed_names(voc, "Main") == [("trainval", "1"), ("trainval", "2"), ("test", "3")]
    write(voc / "ImageSets/Main/test.txt", "2\n")
    with pytest.raises(ValueError, match=r"2 is listed in trainval\.txt and in test\.txt"):
        listed_names(voc, "Main")


def test_an_empty_list_is_an_error(voc, prepared, write):
    write(voc / "ImageSets/Segmentation/train.txt", "\n")
    with pytest.raises(ValueError, match=r"train\.txt: expected a name in each line, found an empty list"):
        prepared(voc)


def test_sample_data(sample_data, prepared):
    root = sample_data / "segmentation/voc-mini"
    dataset = prepared(root, val_share=0)
    assert dataset.summary["format"] == "voc-masks"
    assert dataset.summary["counts"] == {"train": 55, "val": 0, "test": 23}
    assert dataset.class_names == read_json(root / "classes.json")["classes"] == list(CLASSES)
    for i in range(0, len(dataset), 7):
        name = dataset.path(i).replace("JPEGImages", "SegmentationClass").replace(".jpg", ".png")
        indices = np.asarray(Image.open(root / name)).astype(int)
        assert np.array_equal(dataset.label_map(i), np.where(indices == 255, -1, indices))


def test_images_without_a_mask_are_counted(voc, prepared):
    assert prepared(voc).summary["notes"][:2] == [
        "classes: named by Pascal VOC's list",
        "skipped: image files that are in no pair of image and label map: 1 in JPEGImages/",
    ]


def test_own_classes_are_named_by_what_lies_beside_them(voc, prepared, write, label_png):
    """Values 0 to 2 in VOC's folders are not background, aeroplane and bicycle."""
    for number in range(4):
        write(voc / f"SegmentationClass/{number}.png", label_png([[0, 1, 255, 2, 1]] * 4, "P"))
    dataset = prepared(voc)
    assert dataset.class_names == ["0", "1", "2"]
    (note,) = (line for line in dataset.summary["notes"] if "classes" in line)
    assert "named by their number: the layout is that of Pascal VOC, the values (0, 1, 2) are not its" in note
    write(voc / "class_names.txt", "__ignore__\n_background_\nblock\ndisc\n")
    dataset = prepared(voc)
    assert dataset.class_names == ["_background_", "block", "disc"]
    assert dataset.label_map(0).tolist() == [[0, 1, -1, 2, 1]] * 4
    assert "classes: named by class_names.txt" in dataset.summary["notes"]


def test_colours_with_a_table_beside_them(voc, prepared, write):
    """CVAT's and datumaro's masks: RGB, with labelmap.txt."""
    colours = np.array([[0, 0, 0], [48, 112, 32], [224, 224, 192]], np.uint8)
    for number in range(4):
        values = np.array([[0, 1, 2, number % 2, 1]] * 4)
        stream = io.BytesIO()
        Image.fromarray(colours[values]).save(stream, "PNG")
        write(voc / f"SegmentationClass/{number}.png", stream.getvalue())
    write(voc / "labelmap.txt", "# label:color_rgb:parts:actions\nsky:0,0,0::\nblock:48,112,32::\n")
    dataset = prepared(voc)
    assert dataset.class_names == ["sky", "block"]
    assert dataset.label_map(1).tolist() == [[0, 1, -1, 1, 1]] * 4
    write(voc / "labelmap.txt", "sky:0,0,0::\nblock:48,112,33::\n")
    with pytest.raises(ValueError, match=r"8 pixels of the colour \(48, 112, 32\), which no class has"):
        prepared(voc)


def test_lists_as_programs_write_them(voc, write):
    """Spaces, suffixes, folders, repeats, a byte order mark and VOC's marks."""
    known = {"img (1)": "", "img 1": "", "a.b": "", "c": ""}
    lines = "img (1)\nimg 1  1\nJPEGImages/a.b.jpg\nc.png -1\nc\nimg (1)\nmissing  0\n"
    (voc / "ImageSets/Main").mkdir()
    (voc / "ImageSets/Main/train.txt").write_text(lines, encoding="utf-8-sig")
    names = ["img (1)", "img 1", "a.b", "c", "missing"]
    assert listed_names(voc, "Main", known) == [("train", name) for name in names]


def test_a_list_called_default_has_no_split(voc, write):
    write(voc / "ImageSets/Main/default.txt", "b\na\n")
    assert listed_names(voc, "Main") == [(None, "b"), (None, "a")]


def test_the_first_colours_of_the_palette():
    """As the development kit lists them: background, aeroplane, bicycle, bird, ..., tvmonitor."""
    colours = voc_colours(21)
    assert colours[:5] == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128))
    assert (colours[15], colours[20]) == ((192, 128, 128), (0, 64, 128))


@pytest.mark.parametrize("folder", ["SegmentationClass", "SegmentationClassPNG"])
def test_vocs_colours_where_the_table_has_names_alone(tmp_path, write, png, prepared, folder):
    """datumaro's default; labelme's older script has another folder."""
    root = tmp_path / "own"
    pixels = np.array([[(0, 0, 0), (128, 0, 0), (0, 128, 0), (224, 224, 192), (0, 0, 0)]] * 4, np.uint8)
    for number in range(3):
        write(root / f"images/{number}.png", png(number))
        write(root / f"{folder}/{number}.png", b"")
        Image.fromarray(pixels).save(root / f"{folder}/{number}.png")
    write(root / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:::\nzebra:::\napple:::\n")
    dataset = prepared(root, test_share=0, val_share=0)
    assert (dataset.summary["format"], dataset.class_names) == ("voc-masks", ["background", "zebra", "apple"])
    assert dataset.label_map(0).tolist() == [[0, 1, 2, -1, 0]] * 4
