import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths

WIDTH, HEIGHT = 40, 30
LABELS = "".join(
    f"<label><name>{name}</name><attributes><attribute><name>colour</name></attribute></attributes></label>"
    for name in ("zebra", "apple")
)


def annotations(*images, owner="task"):
    meta = f"<meta><{owner}><labels>{LABELS}</labels></{owner}></meta>"
    return f'<?xml version="1.0"?><annotations><version>1.1</version>{meta}{"".join(images)}</annotations>'


def image(name, *shapes, subset="", width=WIDTH, height=HEIGHT):
    subset = f'subset="{subset}" ' if subset else ""
    sides = f'width="{width}" height="{height}"'
    return f'<image id="0" name="{name}" {subset}{sides}>{"".join(shapes)}</image>'


def box(label="zebra", corners=(2.5, 4, 12, 20.25), more=""):
    values = " ".join(f'{key}="{v}"' for key, v in zip(("xtl", "ytl", "xbr", "ybr"), corners, strict=True))
    return f'<box label="{label}" occluded="0" {values} {more}><attribute name="colour">red</attribute></box>'


def polygon(points, label="apple"):
    return f'<polygon label="{label}" points="{";".join(f"{x:.2f},{y:.2f}" for x, y in points)}"></polygon>'


def mask(rle, rectangle=(3, 4, 4, 3), label="apple"):
    sides = " ".join(
        f'{key}="{v}"' for key, v in zip(("left", "top", "width", "height"), rectangle, strict=True)
    )
    return f'<mask label="{label}" rle="{rle}" {sides}></mask>'


@pytest.fixture
def put(tmp_path, png, write):
    """put({xml: text}, images): a folder with CVAT's files and images."""

    def run(files, images=("images/a.png", "images/b.png")):
        for number, path in enumerate(images):
            write(tmp_path / "set" / path, png(number, WIDTH, HEIGHT))
        for path, text in files.items():
            write(tmp_path / "set" / path, text)
        return tmp_path / "set"

    return run


def test_boxes_polygons_and_masks_are_as_drawn(put, prepared):
    corners = [(0, 0), (20, 0), (20, 10), (0, 10)]
    # In a rectangle of 4 x 3 pixels, row by row: .##. ###. ...#
    first = image("a.png", box(), polygon(corners), mask("1, 2, 1, 3, 4, 1"), '<tag label="zebra"></tag>')
    root = put({"annotations.xml": annotations(first, image("b.png"))})
    dataset = prepared(root, val_share=0, test_share=0)
    assert (dataset.summary["format"], dataset.annotation) == ("cvat", "objects")
    assert dataset.class_names == ["zebra", "apple"], "in the file's order, without the names of attributes"
    found = dataset.objects(0)
    assert found.classes.tolist() == [0, 1, 1]
    assert found.boxes.tolist() == [[2.5, 4, 12, 20.25], [0, 0, 20, 10], [3, 4, 7, 7]]
    assert found.segments[0] is None
    drawn = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    drawn[0, :10, :20] = 1
    drawn[1, 4:7, 3:7] = [[0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]]
    for segment, truth in zip(found.segments[1:], drawn, strict=True):
        assert np.array_equal(run_lengths.decode(segment), truth)
    assert len(dataset.objects(1).classes) == 0
    assert dataset.summary["notes"] == ["skipped: 1 of CVAT's <tag>, which are no objects"]


@pytest.mark.parametrize(
    ("files", "images"),
    [
        (
            {"annotations.xml": annotations(
                image("a.png", box(), subset="Train"), image("b.png", subset="Test"), owner="project"
            )},
            ("images/Train/a.png", "images/Test/b.png", "images/c.png"),
        ),
        ({"train.xml": annotations(image("a.png", box())), "test.xml": annotations(image("b.png"))}, None),
    ],
)  # fmt: skip
def test_subsets_and_files_are_the_splits(put, prepared, files, images):
    root = put(files, images or ("images/a.png", "images/b.png", "images/c.png"))
    dataset = prepared(root, val_share=0)
    assert dataset.summary["counts"] == {"train": 1, "val": 0, "test": 1}
    assert dataset.path(dataset.indices("test")[0]).endswith("b.png")
    assert dataset.summary["notes"] == ["skipped: 1 images that no xml file names"]


BAD = {
    "ellipse": (
        '<ellipse label="zebra" cx="1"></ellipse>',
        "ellipse 2: expected box, polygon or mask, found",
    ),
    "rotation": (box(more='rotation="30.0"'), r"box 2: expected a box without rotation, found 30\.0 degrees"),
    "box": (box(corners=("a", 1, 2, 3)), r"box 2: expected numbers as xtl, ytl, xbr, ybr, found \['a', "),
    "not finite": (box(corners=("inf", 1, 2, 3)), "box 2: expected numbers as xtl"),
    "points": (polygon([(0, 0), (1, 1)]), r"polygon 2: expected three or more points x,y, found '0\.00"),
    "run lengths": (mask("1, 2"), "mask 2: expected rle as run lengths that add up to 4 x 3 pixels"),
    "outside": (
        mask("12", (38, 4, 4, 3)),
        r"mask 2: expected a rectangle inside 40 x 30 pixels, found 4 x 3",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_wrong_shape_is_named(put, prepared, kind):
    wrong, words = BAD[kind]
    root = put({"annotations.xml": annotations(image("a.png", box(), wrong), image("b.png", box()))})
    with pytest.raises(ValueError, match=rf"a\.png: annotations cannot be used: annotations\.xml: {words}"):
        prepared(root)


DOCTYPE = '<!DOCTYPE annotations [<!ENTITY a "b">]>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (annotations(image("a.png", box("bird"))), r"a\.png: box 1: expected one of .*, found 'bird'"),
        (
            annotations('<track label="zebra"></track>'),
            'expected an export "CVAT for images", found the tracks',
        ),
        (annotations().replace("<annotations>", f"{DOCTYPE}<annotations>"), "expected no document type"),
        (annotations(image("a.png", box()))[:-9], "annotations cannot be read"),
        (annotations(image("a.png"), image("a.png")), r"described once, found images/a\.png again"),
        (
            annotations(image("../a.png", box())),
            r"\.\./a\.png: no such image, though annotations\.xml names it",
        ),
        (annotations(image("a.png", box(), width=41)), "image of 40 x 30 pixels, annotated as 41 x 30"),
    ],
)
def test_a_wrong_file_is_one_clear_error(put, prepared, text, words):
    with pytest.raises(ValueError, match=words):
        prepared(put({"annotations.xml": text}), format="cvat")


def test_a_file_in_each_split_folder(put, prepared):
    """As exports of two tasks, unpacked side by side; both number images from 0 and name them alike."""
    files = {
        f"{part}/annotations.xml": annotations(image("a.png", box(corners=(2, 4, right, 20))))
        for part, right in (("train", 12), ("test", 30))
    }
    root = put(files, images=("train/images/a.png", "test/images/a.png"))
    dataset = prepared(root, val_share=0)
    assert dataset.summary["format"] == "cvat"
    for part, right in (("train", 12), ("test", 30)):
        (row,) = dataset.indices(part).tolist()
        assert dataset.path(row) == f"{part}/images/a.png"
        assert dataset.objects(row).boxes.tolist() == [[2, 4, right, 20]]
