"""supervision: detection and classification sets."""

import pytest

from tests.exporters.holding import hold_classes, hold_objects


@pytest.fixture
def folder(written_by):
    return written_by("write_supervision", "supervision")


@pytest.mark.parametrize("name", ["coco-boxes", "coco-beside-boxes", "voc-boxes", "yolo-boxes"])
def test_boxes(folder, prepared, name):
    hold_objects(prepared(folder / name), masks=False)


@pytest.mark.parametrize("name", ["coco-masks", "coco-beside-masks"])
def test_masks(folder, prepared, name):
    """Objects of parts or with a hole are crowds. Outlines lose a row and a column: of two, one."""
    hold_objects(prepared(folder / name), masks=True, crowds=True, overlap=0.45)
    hold_objects(prepared(folder / name, crowds="objects"), masks=True, overlap=0.45)


def test_classes(folder, prepared):
    hold_classes(prepared(folder / "classes"))
