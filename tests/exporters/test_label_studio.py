"""Label Studio's converter, from tasks in the form of its JSON export."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from tests.exporters.drawn import Thing, scenes
from tests.exporters.holding import hold_label_maps, hold_objects

# A project knows no splits.
TOGETHER = [replace(scene, split="train") for scene in scenes()]
WITH_THINGS = [scene for scene in TOGETHER if scene.things]


@pytest.fixture
def folder(written_by):
    return written_by("write_label_studio", "label_studio_sdk.converter")


def test_coco_whose_names_lead_out_of_the_folder(folder, prepared):
    hold_objects(prepared(folder / "coco"), masks=False)


def test_voc_without_a_file_for_images_without_objects(folder, prepared):
    with pytest.raises(ValueError, match=r'plain-3\.jpg: no annotations: .*data\.unannotated = "no-objects"'):
        prepared(folder / "one/voc", test_share=0.0)
    data = prepared(folder / "one/voc", test_share=0.0, unannotated="no-objects")
    hold_objects(data, masks=False, expected=TOGETHER)


def test_yolo(folder, prepared):
    hold_objects(prepared(folder / "one/yolo", test_share=0.0), masks=False, expected=TOGETHER)


def test_brush_masks_as_png(folder, prepared):
    hold_label_maps(prepared(folder / "one/brush-png", test_share=0.0), expected=TOGETHER)


def parts_without_holes(scene):
    """Each connected part of an object as an object of its own, holes filled."""
    things = []
    for thing in scene.things:
        numbered, count = ndimage.label(thing.mask, np.ones((3, 3)))
        things += [Thing(thing.label, ndimage.binary_fill_holes(numbered == n + 1)) for n in range(count)]
    return replace(scene, things=tuple(things))


def test_brush_masks_as_coco(folder, prepared):
    """The converter writes outlines through border pixels, which lose a row and a column: of two, one."""
    data = prepared(folder / "one/brush-coco", test_share=0.0)
    written = [parts_without_holes(scene) for scene in WITH_THINGS]
    assert sum(len(scene.things) for scene in written) == 12
    hold_objects(data, masks=True, expected=written, overlap=0.45)
    assert data.summary["notes"] == ["skipped: images that no json file of COCO names: 2 in images/"]
