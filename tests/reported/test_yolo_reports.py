"""YOLO's files as people write them by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reported.drawing import SIZE, Box, boxes, hold_boxes, number_in, picture, save

YAML = "path: .\ntrain: images/train\nval: images/val\nnames: [block, disc]\n"


def centre(x: int, y: int, width: int, height: int, kind: int) -> str:
    values = ((x + width / 2) / SIZE[0], (y + height / 2) / SIZE[1], width / SIZE[0], height / SIZE[1])
    return f"{kind} {' '.join(f'{value:.6f}' for value in values)}"


def corners(x: int, y: int, width: int, height: int, kind: int) -> str:
    return f"{kind} {x / SIZE[0]} {y / SIZE[1]} {(x + width) / SIZE[0]} {(y + height) / SIZE[1]}"


def write(folder: Path, line: Callable[[int, int, int, int, int], str], yaml: str | None = YAML) -> Path:
    """Eighteen images, twelve to train on, with their label files."""
    for number in range(18):
        found: list[Box] = boxes(number)
        part = "train" if number < 12 else "val"
        save(picture(number, found), folder / f"images/{part}/{number:03d}.png")
        labels = folder / f"labels/{part}/{number:03d}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("".join(f"{line(*box)}\n" for box in found))
    if yaml is not None:
        (folder / "data.yaml").write_text(yaml)
    return folder


def test_as_drawn(tmp_path, prepared):
    data = prepared(write(tmp_path / "set", centre), annotation="objects", val_share=0.0)
    hold_boxes(data, number_in, masks=False)


@pytest.mark.parametrize(
    ("line", "yaml", "words"),
    [
        (
            corners,
            YAML,
            r"expected boxes within their images, found \d+ of \d+ that reach beyond, such as line",
        ),
        (
            lambda *box: f"{centre(*box)} 0.93",
            YAML,
            r"000\.txt: line 1: expected 5 columns .* found 6 columns",
        ),
        (
            lambda *box: f"{('block', 'disc')[box[4]]}{centre(*box)[1:]}",
            YAML,
            r"000\.txt: line 1: expected numbers, found 'block'",
        ),
        (centre, YAML.replace("[block, disc]", "{1: block, 2: disc}"), r"expected numbers 0 to 1, found '2'"),
        (
            centre,
            None,
            r"expected objects, .* labels that lie there are not read: labels/train/000\.txt \(YOLO",
        ),
    ],
    ids=["corners", "scores behind boxes", "names for numbers", "classes from 1", "no description"],
)
def test_one_line_for(tmp_path, prepared, line, yaml, words):
    with pytest.raises(ValueError, match=words):
        prepared(write(tmp_path / "set", line, yaml), annotation="objects", val_share=0.0)


def test_boxes_that_are_meant_to_reach_beyond_are_cut(tmp_path, prepared):
    """Amodal boxes, as of hidden parts of an object."""
    beyond = lambda x, y, width, height, kind: centre(-10, y, 40, height, kind)  # noqa: E731
    folder = write(tmp_path / "set", beyond)
    data = prepared(folder, annotation="objects", val_share=0.0, amodal=True)
    for row in range(len(data)):
        found = data.objects(row).boxes
        assert found[:, [0, 2]].tolist() == [[0, 30]] * len(found) != []
