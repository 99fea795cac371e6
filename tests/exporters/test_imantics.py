"""imantics, part by part."""

import pytest

from tests.exporters.holding import hold_objects


@pytest.fixture
def folder(written_by):
    return written_by("write_imantics", "imantics")


@pytest.mark.parametrize("name", ["coco-boxes", "voc"])
def test_boxes(folder, prepared, name):
    hold_objects(prepared(folder / name), masks=False)


def test_masks(folder, prepared):
    """Outlines run through the centres of border pixels, holes are filled, a box is its outline's."""
    data = prepared(folder / "coco-masks")
    hold_objects(data, masks=True, corners=1.0, overlap=0.45)
    assert data.summary["num_stray_masks"] == 0
