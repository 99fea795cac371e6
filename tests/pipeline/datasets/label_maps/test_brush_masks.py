import io
import json

import numpy as np
import pytest

# What was painted on each task's image of 5 x 4 pixels: label and columns. Task 4 is not annotated.
PAINTED = {1: [("zebra", (0, 2)), ("apple-tree", (3, 5))], 2: [("zebra", (0, 1)), ("zebra", (4, 5))], 3: []}
LABELS = {1: [2, 2, 0, 1, 1], 2: [2, 0, 0, 0, 2], 3: [0] * 5}


def tasks_of(painted, others=(4,)):
    """The project as the JSON export of Label Studio lists it."""
    done = [
        {
            "id": number,
            "data": {"image": f"/data/upload/7/0a1b2c3d-s{number}.png"},
            "annotations": [
                {"id": 100 + number, "was_cancelled": False, "result": [_region(r[0]) for r in regions]}
            ],
        }
        for number, regions in painted.items()
    ]
    return done + [{"id": n, "data": {"image": f"s{n}.png"}, "annotations": []} for n in others]


def _region(label):
    value = {"format": "rle", "rle": [0], "brushlabels": [label]}
    return {"from_name": "tag", "type": "brushlabels", "value": value}


def minimal(tasks):
    """The same as JSON-MIN: one object for each annotation."""
    return [
        {
            "image": task["data"]["image"],
            "id": task["id"],
            "tag": [region["value"] for region in annotation["result"]],
            "annotator": "ann@example.com",
            "annotation_id": annotation["id"],
        }
        for task in tasks
        for annotation in task["annotations"]
    ]


def _array(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


@pytest.fixture
def export(tmp_path, png, label_png, write):
    """export(suffix, tasks): images, masks as PNG or arrays, and the project's file."""

    def put(suffix=".png", tasks=None):
        root = tmp_path / "project"
        for number, regions in PAINTED.items():
            write(root / f"images/s{number}.png", png(number))
            counts = {}
            for label, (first, end) in regions:
                mask = np.zeros((4, 5), np.uint8)
                mask[:, first:end] = 255
                place = counts[label] = counts.get(label, -1) + 1
                name = f"task-{number}-annotation-{100 + number}-by-ann@example.com-tag-{label}-{place}"
                write(root / f"masks/{name}{suffix}", label_png(mask) if suffix == ".png" else _array(mask))
        write(root / "project-1.json", json.dumps(tasks_of(PAINTED) if tasks is None else tasks))
        return root

    return put


@pytest.mark.parametrize("suffix", [".png", ".npy"])
@pytest.mark.parametrize("form", [lambda tasks: tasks, minimal])
def test_masks_become_one_label_map(export, prepared, suffix, form):
    dataset = prepared(export(suffix, form(tasks_of(PAINTED))), val_share=0, test_share=0.4)
    assert dataset.summary["format"] == "label-studio-brush"
    assert dataset.class_names == ["background", "apple-tree", "zebra"]
    found = {dataset.path(i): dataset.label_map(i).tolist() for i in range(len(dataset))}
    assert found == {f"images/s{number}.png": [row] * 4 for number, row in LABELS.items()}


def test_what_nobody_annotated_is_said(export, prepared):
    notes = prepared(export(), test_share=0.4).summary["notes"]
    assert "skipped: 1 of 4 tasks, which nobody annotated" in notes
    assert "nothing was painted on the images of 1 tasks, the first 3" in notes


def test_without_a_background_unpainted_pixels_are_ignored(export, prepared):
    dataset = prepared(export(), class_names=["zebra", "apple-tree"], test_share=0.4)
    labels = {dataset.path(i): dataset.label_map(i)[0].tolist() for i in range(3)}
    assert labels["images/s1.png"] == [0, 0, -1, 1, 1]
    with pytest.raises(ValueError, match=r"data\.class_names: expected the label 'apple-tree' too"):
        prepared(export(), class_names=["zebra", "background"])


def test_a_pixel_of_two_classes_is_ignored(export, prepared, write, label_png):
    root = export()
    mask = next(root.glob("masks/task-1-*apple-tree-0.png"))
    write(mask, label_png([[0, 255, 255, 255, 0]] * 4))
    dataset = prepared(root, test_share=0.4)
    labels = {dataset.path(i): dataset.label_map(i)[0].tolist() for i in range(3)}
    assert labels["images/s1.png"] == [2, -1, 1, 1, 0]


def test_the_masks_alone_name_no_image(export, prepared):
    root = export()
    (root / "project-1.json").unlink()
    with pytest.raises(
        ValueError, match=r"expected the project's JSON export .* the tasks 1, 2, found 0 tasks"
    ):
        prepared(root)


def twice(tasks):
    tasks[0]["annotations"].append({"id": 7, "result": []})


def of_two_labels(tasks):
    tasks[0]["annotations"][0]["result"][0]["value"]["brushlabels"] = ["zebra", "apple-tree"]


def one_more(tasks):
    tasks[1]["annotations"][0]["result"].append(_region("zebra"))


def same_image(tasks):
    tasks[1]["data"]["image"] = "/data/upload/7/s1.png"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (twice, r"images/s1\.png: task 1: expected one annotation, found \[7, 101\]"),
        (of_two_labels, r"images/s1\.png: expected one label for each brush region, found \['zebra', 'app"),
        (one_more, r"images/s2\.png: task 2: expected 3 masks task-2-\.\.\.-tag-zebra-0, \.\.\., found 2"),
        (same_image, r"images/s1\.png: the image of several tasks"),
    ],
)
def test_what_is_not_one_label_map_is_left_out(export, prepared, change, words):
    tasks = tasks_of(PAINTED)
    change(tasks)
    with pytest.raises(ValueError, match=words):
        prepared(export(".png", tasks))


def test_an_array_of_objects_is_not_opened(export, prepared, write):
    root = export(".npy")
    stream = io.BytesIO()
    np.save(stream, np.array([[{}]], dtype=object), allow_pickle=True)
    write(next(root.glob("masks/task-1-*zebra-0.npy")), stream.getvalue())
    with pytest.raises(ValueError, match=r"zebra-0\.npy: expected numbers, found Python objects"):
        prepared(root)
