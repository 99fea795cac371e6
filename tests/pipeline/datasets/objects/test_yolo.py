import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import detect

WIDTH, HEIGHT = 20, 10
NAMES = ("zebra", "no", "apple")
# (class, x1, y1, x2, y2) in pixels, by image; the fourth has none.
DRAWN = {
    "train/a": [(2, 4, 1, 10, 6), (0, 0, 0, 20, 10)],
    "train/b": [(1, 3, 2, 5, 9)],
    "val/c": [(0, 19, 9, 20, 10)],
    "val/d": [],
}


def box_line(label, x1, y1, x2, y2):
    values = ((x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT)
    return " ".join([str(label), *(f"{value:.6f}" for value in values)])


def polygon_line(label, *corners):
    return " ".join([str(label), *(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in corners)])


@pytest.fixture
def put(tmp_path, png, write):
    """put(image_at, labels_at, files): the drawn set, paths by "{split}" and "{name}", and further files."""

    def run(image_at, labels_at, files, drawn=DRAWN):
        for number, (key, objects) in enumerate(drawn.items()):
            split, name = key.split("/")
            write(tmp_path / "set" / image_at.format(split=split, name=name), png(number, WIDTH, HEIGHT))
            if labels_at:
                lines = "".join(box_line(*found) + "\n" for found in objects)
                write(tmp_path / "set" / labels_at.format(split=split, name=name), lines)
        for path, text in files.items():
            write(tmp_path / "set" / path, text)
        return tmp_path / "set"

    return run


NAME_LIST = "names: [zebra, no, apple]\nnc: 3\n"
NAME_NUMBERS = "names:\n  0: zebra\n  1: no\n  2: apple\n"
ULTRALYTICS = ("images/{split}/{name}.png", "labels/{split}/{name}.txt")
ROBOFLOW = ("{split}/images/{name}.png", "{split}/labels/{name}.txt")
DARKNET = ("obj_{split}_data/{name}.png", "obj_{split}_data/{name}.txt")
FORMS = {
    "Ultralytics": (*ULTRALYTICS, {
        "data.yaml": f"path: ../datasets/set # root\ntrain: images/train\nval: images/val\ntest: # none\n"
        f"{NAME_NUMBERS}download: |\n  raise SystemExit\n"
    }),
    "absolute folders in a list": (*ULTRALYTICS, {
        "set.yaml": f"train: [/home/x/set/images/train]\nval:\n  - 'C:\\set\\images\\val'\n{NAME_LIST}"
    }),
    "lists": (*ULTRALYTICS, {
        "data.yaml": f"train: train.txt\nval: [lists/val.txt]\n{NAME_NUMBERS}",
        "train.txt": "./images/train/a.png\n./images/train/b.png\n",
        "lists/val.txt": "/data/set/images/val/c.png\n/data/set/images/val/d.png\n",
    }),
    "Roboflow": (*ROBOFLOW, {
        "data.yaml": f"train: ../train/images\nval: ../val/images\ntest: ../test/images\n{NAME_LIST}"
    }),
    "supervision": (*ROBOFLOW, {"data.yaml": NAME_LIST}),
    "Darknet": (*DARKNET, {
        "obj.data": "classes = 3\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n"
        "backup = backup/\n",
        "obj.names": "zebra\nno\napple\n",
        "train.txt": "data/obj_train_data/a.png\ndata/obj_train_data/b.png\n",
        "valid.txt": "data/obj_val_data/c.png\ndata/obj_val_data/d.png\n",
    }),
    "labelImg": ("{split}/{name}.png", "{split}/{name}.txt", {"classes.txt": "zebra\nno\napple\n"}),
    "Label Studio": (*ULTRALYTICS, {"classes.txt": "zebra\nno\napple\n", "notes.json": "{}"}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_boxes_classes_and_splits_are_as_drawn(put, prepared, form):
    dataset = prepared(put(*FORMS[form]), val_share=0)
    assert (dataset.summary["format"], dataset.annotation) == ("yolo", "objects")
    assert dataset.class_names == list(NAMES), "a class called no is not false"
    assert dataset.category_ids == [1, 2, 3]
    assert dataset.summary["counts"] == {"train": 2, "val": 0, "test": 2}
    assert len(dataset) == len(DRAWN)
    for i in range(len(dataset)):
        image, split = dataset.path(i), "train" if i in dataset.indices("train") else "val"
        drawn = DRAWN[f"{split}/{image[-5]}"]
        assert np.allclose(dataset.objects(i).boxes, np.reshape(drawn, (-1, 5))[:, 1:], atol=1e-4)
        assert dataset.objects(i).classes.tolist() == [label for label, *_ in drawn]


def test_polygons_become_masks(put, write, prepared):
    root = put(*FORMS["Ultralytics"])
    corners = [(4, 1), (10, 1), (10, 6), (4, 6)]
    write(
        root / "labels/train/a.txt",
        polygon_line(2, *corners) + "\n" + polygon_line(0, (0, 0), (20, 0), (0, 10)),
    )
    dataset = prepared(root, val_share=0)
    found = dataset.objects(0)
    drawn = np.zeros((HEIGHT, WIDTH), bool)
    drawn[1:6, 4:10] = True
    masks = found.masks(HEIGHT, WIDTH)
    assert np.array_equal(masks[0], drawn)
    assert np.allclose(found.boxes, [[4, 1, 10, 6], [0, 0, 20, 10]], atol=1e-4)
    assert found.areas[0] == 30
    # Half the image, and at most half of the pixels that the slanted edge crosses more.
    assert abs(masks[1].sum() - WIDTH * HEIGHT / 2) <= WIDTH / 2


BAD_LINES = {
    "5 0.5 0.5 0.1 0.1": "expected a class from 0 to 2, found 5",
    "-1 0.5 0.5 0.1 0.1": "expected a class from 0 to 2, found -1",
    "0.5 0.5 0.5 0.1 0.1": "expected a class from 0 to 2, found 0.5",
    "0 8 5 2 2": "expected numbers from 0 to 1, relative to the image, found 8",
    "0 0.5 0.5 0.1 -0.1": "expected numbers from 0 to 1, relative to the image, found -0.1",
    "0 0.5 0.5 0.1": "expected 5 columns .* found 4 columns",
    "0 0.5 0.5 0.1 0.1 0.9": "expected 5 columns .* found 6 columns",
    "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1": "expected 5 columns .* found 8 columns",
    "0 0.5 0.5 0.1 nan": "expected numbers, found 'nan'",
    "zebra 0.5 0.5 0.1 0.1": "expected numbers, found 'zebra'",
    "0 0.1 0.1 0.5 0.1 0.5 0.5": "expected a box as in line 1, found a polygon",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_wrong_line_is_named(put, write, prepared, line):
    root = put(*FORMS["Ultralytics"])
    write(root / "labels/train/a.txt", f"{box_line(0, 1, 1, 2, 2)}\n\n{line}\n")
    words = rf"images/train/a\.png: labels/train/a\.txt: line 3: {BAD_LINES[line]}"
    with pytest.raises(ValueError, match=words):
        prepared(root)
    assert prepared(root, max_bad_share=0.3).summary["num_quarantined"] == 1


def test_rounding_is_no_mistake_and_boxes_are_clipped(put, write, prepared):
    root = put(*FORMS["Ultralytics"])
    write(
        root / "labels/train/a.txt", "\ufeff0.0 0.5 0.5 1.000001 1.004\n1 0.95 0.5 0.2 0.4\n0 0.5 0.5 0 0.5\n"
    )
    dataset = prepared(root, val_share=0)
    assert np.allclose(dataset.objects(0).boxes, [[0, 0, 20, 10], [17, 3, 20, 7]], atol=1e-4)
    assert dataset.summary["first_dropped_boxes"] == ["line 3 in labels/train/a.txt"]


def test_an_image_without_a_label_file_has_no_objects(put, prepared, write):
    root = put(*FORMS["Ultralytics"])
    (root / "labels/val/d.txt").unlink()
    write(root / "labels/val/gone.txt", box_line(0, 1, 1, 2, 2))
    dataset = prepared(root, val_share=0)
    assert dataset.summary["num_without_objects"] == {"train": 0, "val": 0, "test": 1}
    assert dataset.summary["notes"] == [
        "parts: by data.yaml: train = images/train; val = images/val",
        "no objects: 1 of 4 images have no label file, such as images/val/d.png",
        "skipped: 1 label files without an image in any part, such as labels/val/gone.txt",
    ]


def test_a_part_without_any_label_file_is_refused(put, prepared):
    root = put(*FORMS["Ultralytics"])
    for name in "cd":
        (root / f"labels/val/{name}.txt").unlink()
    words = r'labels/val/c\.txt for images/val/c\.png, found none; .* data\.parts = { "val" = "unused" }'
    with pytest.raises(ValueError, match=words):
        prepared(root)
    assert prepared(root, parts={"val": "unused"}, test_share=0.5).summary["counts"]["train"] == 1


def test_the_image_is_turned_as_programs_show_it(put, write, prepared, rng):
    root = put(*FORMS["Ultralytics"])
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned by a quarter
    pixels = rng.integers(0, 256, (WIDTH, HEIGHT, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "images/train/a.png", exif=exif)
    dataset = prepared(root, val_share=0)
    assert dataset.size(0) == (WIDTH, HEIGHT)
    assert np.array_equal(dataset.image(0), np.rot90(pixels, -1))
    assert np.allclose(dataset.objects(0).boxes[0], [4, 1, 10, 6], atol=1e-4)


BAD_DESCRIPTIONS = {
    "names: {0: a, 2: b}": r"names: expected numbers 0 to 1, found '2'",
    "names: [a, b, a]": r"expected distinct class names, found 'a'",
    "names: [a, [b]]": r"names: expected a list of names",
    "nc: 4\nnames: [a, b, c]": r"expected as many names as classes \(4\), found 3",
    "names: [a, b": r"not a YAML file",
    "names: " + "[" * 10000: r"not a YAML file",
    "names: [a, b, c]\nkpt_shape: [17, 3]": r"expected boxes or polygons, found key points",
    "names: [a, b, c]\ntrain: images/training": r"train: expected images/training in .*, found no such",
    "names: [a, b, c]\ntrain: images/train\nval: images/train": r"images/train/a\.png in train and in val",
}


@pytest.mark.parametrize("text", BAD_DESCRIPTIONS)
def test_a_wrong_description_is_one_clear_error(put, prepared, text):
    root = put(*ULTRALYTICS, {"data.yaml": text})
    with pytest.raises(ValueError, match=rf"data\.yaml: .*{BAD_DESCRIPTIONS[text]}"):
        prepared(root)


def test_files_of_other_programs_describe_nothing(put, write):
    root = put(ULTRALYTICS[0], None, {"one.yaml": NAME_LIST, "two.yaml": NAME_LIST})
    write(root / "weights.data", b"names =\xff\x00")
    assert detect(DataConfig(source=str(root))) == "image-folder", "without a label file"
    (root / "one.yaml").unlink()
    (root / "two.yaml").unlink()
    assert detect(DataConfig(source=str(root))) == "image-folder"


def test_other_mistakes(put, prepared, write):
    root = put(*ULTRALYTICS, {})
    with pytest.raises(ValueError, match=r"expected data\.yaml, .* found none; or state data\.class_names"):
        prepared(root, format="yolo")
    assert prepared(root, format="yolo", class_names=["a", "b", "c"], val_share=0).class_names == [
        "a",
        "b",
        "c",
    ]
    assert detect(DataConfig(source=str(root))) == "image-folder", "labels/ alone could be any program's"
    for name in ("one.yaml", "two.yaml"):
        write(root / name, NAME_LIST)
    with pytest.raises(ValueError, match=r"expected one description .* found one\.yaml, two\.yaml"):
        prepared(root)
    write(root / "data.yaml", NAME_LIST + "train: train.txt\n")
    write(root / "train.txt", "elsewhere/1.png\n")
    with pytest.raises(
        ValueError, match=r"train\.txt: expected paths of images in .*, found 'elsewhere/1\.png'"
    ):
        prepared(root)
    write(root / "train.txt", "images/train/a.png\nimages/train/gone.png\n")
    with pytest.raises(ValueError, match=r"1 of 2 .*\n.*images/train/gone\.png: cannot be read"):
        prepared(root)
