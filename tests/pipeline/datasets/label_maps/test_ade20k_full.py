import json

import numpy as np
import pytest

# Class numbers of the release; a pixel is (R, G, B) with R // 10 * 256 + G the class and B the instance.
WALL, BUILDING, SKY = 2978, 312, 2420
PIXELS = [
    [[0, 0, 0], [110, 162, 1], [119, 162, 2], [10, 56, 3]],
    [[90, 116, 4], [95, 116, 4], [10, 56, 5], [0, 0, 0]],
]


def described(things, part_levels=None):
    levels = part_levels or [0] * len(things)
    found = [
        {"name": name, "name_ndx": number, "parts": {"part_level": level}}
        for (number, name), level in zip(things, levels, strict=True)
    ]
    return json.dumps({"annotation": {"object": found}})


NAMES = [(WALL, "wall"), (BUILDING, "building, edifice"), (SKY, "sky"), (5, "door knob")]


@pytest.fixture
def ade20k(tmp_path, png, write):
    root = tmp_path / "ADE20K_2021_17_01"
    for number, split in enumerate(("training", "training", "validation")):
        stem = root / f"images/ADE/{split}/urban/street/ADE_{number}"
        write(stem.with_suffix(".jpg"), png(number, 4, 2))
        write(stem.with_name(f"{stem.name}_seg.png"), _png(PIXELS))
        write(stem.with_name(f"{stem.name}_parts_1.png"), _png(PIXELS))
        write(stem / f"instance_000_ADE_{number}.png", _png(PIXELS))
        write(stem.with_suffix(".json"), described(NAMES, [0, 0, 0, 1]))
    write(root / "index_ade20k.pkl", b"not read")
    write(root / "objects.txt", "not read\n")
    return root


def _png(pixels):
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_class_names_and_splits_are_the_releases(ade20k, prepared):
    dataset = prepared(ade20k, val_share=0)
    assert dataset.summary["format"] == "ade20k-full"
    assert dataset.class_names == ["building", "sky", "wall"]
    assert dataset.split_names == {"train": "training", "test": "validation"}
    assert [dataset.path(i) for i in dataset.indices("test")] == [
        "images/ADE/validation/urban/street/ADE_2.jpg"
    ]
    for i in range(3):
        assert dataset.label_map(i).tolist() == [[-1, 2, 2, 0], [1, 1, 0, -1]]


def test_some_of_the_classes(ade20k, prepared):
    dataset = prepared(ade20k, val_share=0, class_names=["sky", "wall"], label_values=[SKY, WALL])
    assert dataset.label_map(0).tolist() == [[-1, 1, 1, -1], [0, 0, -1, -1]]
    assert "classes: named by data.class_names; all other labels are ignored" in dataset.summary["notes"]


def test_classes_that_share_a_name(ade20k, prepared, write):
    names = [(WALL, "wall, fence"), (BUILDING, "wall, house"), (SKY, "sky"), (7, "sky")]
    for path in ade20k.rglob("*.json"):
        write(path, described(names))
    assert prepared(ade20k, val_share=0).class_names == [
        "sky (7)",
        "wall, house",
        "sky (2420)",
        "wall, fence",
    ]


@pytest.mark.parametrize(
    ("things", "words"),
    [
        (
            [(WALL, "wall"), (SKY, "sky")],
            r"ADE_0\.jpg: label map .*: 2 pixels of value 312, expected 2420, 2978",
        ),
        ([(0, "wall")], r"ADE_0\.json: expected .*: found 'wall' with the number 0"),
        ([("1", "wall")], r"found 'wall' with the number '1'"),
    ],
)
def test_what_the_json_files_do_not_say(ade20k, prepared, write, things, words):
    for path in ade20k.rglob("*.json"):
        write(path, described(things))
    with pytest.raises(ValueError, match=words):
        prepared(ade20k)


def test_a_class_of_two_names_and_a_file_of_another_form(ade20k, prepared, write):
    path = ade20k / "images/ADE/validation/urban/street/ADE_2.json"
    write(path, described([(SKY, "heaven")]))
    with pytest.raises(
        ValueError, match=r"ADE_2\.json: expected the name 'sky' of class 2420.*found 'heaven'"
    ):
        prepared(ade20k)
    write(path, "[]")
    with pytest.raises(ValueError, match=r"ADE_2\.json: expected annotation\.object"):
        prepared(ade20k)
