import base64
import json

import numpy as np
import pytest
from PIL import Image

WIDTH, HEIGHT = 40, 30


def shape(name, points, kind="polygon", **more):
    return {"label": name, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def described(*shapes, image="a.png", width=WIDTH, height=HEIGHT):
    """A json file as labelme writes it, the image among it as text."""
    return json.dumps({
        "version": "6.3.1", "flags": {}, "shapes": shapes, "imagePath": image, "imageData": "QUJD",
        "imageHeight": height, "imageWidth": width,
    })  # fmt: skip


def rectangle(x1, y1, x2, y2):
    return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]


def drawn_rectangle(x1, y1, x2, y2):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.fixture
def put(tmp_path, png, write):
    """put({image: shapes}): images and their json files, `a.png` and `a.json`."""

    def run(sets):
        for number, (image, shapes) in enumerate(sets.items()):
            write(tmp_path / "set" / image, png(number, WIDTH, HEIGHT))
            text = described(*shapes, image=image.split("/")[-1])
            write((tmp_path / "set" / image).with_suffix(".json"), text)
        return tmp_path / "set"

    return run


def test_shapes_splits_and_classes_are_as_drawn(put, prepared, png, write, label_png):
    mask = np.zeros((6, 8), np.uint8)
    mask[1:, 2:] = 255
    root = put({
        "train/a.png": [
            shape("zebra", rectangle(4, 1, 20, 11)),
            shape("apple", [[30.5, 22.25], [10, 2]], "rectangle"),
            shape("melon", [[20, 15], [20, 25]], "circle"),
            shape("zebra", rectangle(0, 0, 40, 5), "oriented_rectangle"),
            shape("apple", [[3, 4], [10, 9]], "mask", mask=base64.b64encode(label_png(mask)).decode()),
        ],
        "train/b.png": [
            shape("melon", rectangle(0, 0, 5, 5), group_id=1),
            shape("_background_", rectangle(0, 0, 40, 30)),
            shape("melon", rectangle(10, 10, 20, 20), group_id=1),
            shape("zebra", rectangle(10, 20, 20, 30), group_id=1),
        ],
        "val/c.png": [],
    })  # fmt: skip
    write(root / "val/unlabelled.png", png(9))
    dataset = prepared(root, val_share=0)
    assert (dataset.summary["format"], dataset.annotation) == ("labelme", "objects")
    assert dataset.class_names == ["apple", "melon", "zebra"]
    assert dataset.summary["counts"] == {"train": 2, "val": 0, "test": 1}
    found = dataset.objects(0)
    assert found.classes.tolist() == [2, 0, 1, 2, 0]
    boxes = [[4, 1, 20, 11], [10, 2, 30.5, 22.25], [10, 5, 30, 25], [0, 0, 40, 5], [5, 5, 11, 10]]
    assert np.allclose(found.boxes, boxes)
    assert found.segments[1] is None, "a rectangle is a box"
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    disc = (x - 20) ** 2 + (y - 15) ** 2 <= 10**2
    truth = {
        0: drawn_rectangle(4, 1, 20, 11),
        2: disc,
        3: drawn_rectangle(0, 0, 40, 5),
        4: drawn_rectangle(5, 5, 11, 10),
    }
    with_masks = [i for i in range(5) if i != 1]
    masks = masks_of(found, with_masks)
    for i, found_mask in zip(with_masks, masks, strict=True):
        assert overlap(found_mask, truth[i]) > 0.98
    grouped = dataset.objects(1)
    assert grouped.classes.tolist() == [1, 2], "shapes of one class and group are one object"
    assert grouped.boxes.tolist() == [[0, 0, 20, 20], [10, 20, 20, 30]]
    parts = drawn_rectangle(0, 0, 5, 5) | drawn_rectangle(10, 10, 20, 20)
    assert np.array_equal(grouped.masks(HEIGHT, WIDTH)[0], parts)
    assert dataset.summary["notes"] == [
        "no class: _background_ and __ignore__, 1 shapes",
        "skipped: 1 images without a json file of labelme",
    ]


def masks_of(found, numbers):
    from faster_coco_eval.core import mask as run_lengths

    return [run_lengths.decode(found.segments[i]).astype(bool) for i in numbers]


SQUARE = rectangle(1, 1, 9, 9)
BAD_SHAPES = {
    "line": (shape("x", SQUARE[:2], "line"), r"shape 2 \(x\): expected one of polygon, .* found 'line'"),
    "no kind": (shape("x", SQUARE, [0]), r"shape 2 \(x\): expected one of polygon, .* found \[0\]"),
    "two corners": (
        shape("x", SQUARE[:2]),
        r"shape 2 \(x\): expected 3 points or more of a polygon, found 2",
    ),
    "no centre": (shape("x", SQUARE[:1], "circle"), r"shape 2 \(x\): expected 2 points of a circle, found 1"),
    "no points": (shape("x", "1 2"), r"shape 2 \(x\): expected points as lists of x, y"),
    "no number": (shape("x", [[1, float("nan")]] * 3), r"shape 2 \(x\): expected points as lists of x, y"),
    "no name": (shape("", SQUARE), r"shape 2: expected a label, found ''"),
    "no mask": (shape("x", SQUARE[::2], "mask"), r"shape 2 \(x\): expected a mask as a PNG in base64"),
    "no shape": ([1], r"shape 2: expected an object, found list"),
}


@pytest.mark.parametrize("kind", BAD_SHAPES)
def test_a_shape_of_no_certain_area_is_named(put, prepared, kind):
    wrong, words = BAD_SHAPES[kind]
    root = put({"a.png": [shape("x", SQUARE), wrong], "b.png": [shape("x", SQUARE)]})
    with pytest.raises(ValueError, match=rf"a\.png: annotations cannot be used: a\.json: {words}"):
        prepared(root)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"a\.png: annotations cannot be read: a\.json: Expecting"),
        ("[" * 100000, r"a\.png: annotations cannot be read: a\.json: .* at most 64 levels, found 100000"),
        (
            described(shape("x", SQUARE), width=41),
            r"image of 40 x 30 pixels, annotated as 41 x 30 in a\.json",
        ),
        (described(width=10**6, height=10**6), r"a\.json: expected an image within 64000000 pixels"),
    ],
)
def test_a_wrong_file_is_named(put, write, prepared, text, words):
    root = put({"a.png": [], "b.png": [shape("x", SQUARE)]})
    write(root / "a.json", text)
    with pytest.raises(ValueError, match=words):
        prepared(root, format="labelme")


def test_the_image_is_where_the_file_says(tmp_path, write, png, prepared):
    root = tmp_path / "set"
    write(root / "photos/a.png", png(0, WIDTH, HEIGHT))
    write(root / "json/a.json", described(shape("x", SQUARE), image="..\\photos\\a.png"))
    assert prepared(root, format="labelme", test_share=0, val_share=0).path(0) == "photos/a.png"
    write(root / "json/b.json", described(shape("x", SQUARE), image="../../outside.png"))
    with pytest.raises(
        ValueError, match=r"no such image: expected '\.\./\.\./outside\.png', or an image of the"
    ):
        prepared(root, format="labelme")
    write(root / "json/b.json", described(shape("x", SQUARE), image="../photos/a.png"))
    with pytest.raises(ValueError, match=r"one json file for an image, found json/a\.json and json/b\.json"):
        prepared(root, format="labelme")


def test_the_image_is_turned_as_labelme_shows_it(put, prepared, rng):
    """Turned by half, width and height tell nothing."""
    root = put({"a.png": [shape("x", SQUARE)]})
    exif = Image.Exif()
    exif[0x0112] = 3
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "a.png", exif=exif)
    assert np.array_equal(prepared(root, test_share=0, val_share=0).image(0), pixels[::-1, ::-1])


def test_other_mistakes(put, prepared):
    root = put({"a.png": [shape("x", SQUARE)]})
    with pytest.raises(ValueError, match=r"a\.json: shape 1: expected one of \['y'\], found 'x'"):
        prepared(root, class_names=["y"])
    (root / "a.json").write_text(described())
    with pytest.raises(ValueError, match=r"no object in any of 1 files; state data\.class_names"):
        prepared(root)
    (root / "a.json").unlink()
    with pytest.raises(
        ValueError, match=r"expected json files with the keys shapes and imagePath, found none"
    ):
        prepared(root, format="labelme")
