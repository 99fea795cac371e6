"""labelformat, from objects of its own."""

from dataclasses import replace

import pytest

from tests.exporters.drawn import scenes
from tests.exporters.holding import hold_objects


@pytest.fixture
def folder(written_by):
    return written_by("write_labelformat", "labelformat.formats")


@pytest.mark.parametrize("name", ["coco", "voc", "cvat"])
def test_boxes(folder, prepared, name):
    hold_objects(prepared(folder / name), masks=False)


def test_yolo_of_one_part(folder, prepared):
    together = [replace(scene, split="train") for scene in scenes()]
    hold_objects(prepared(folder / "yolo", test_share=0.0), masks=False, expected=together)
