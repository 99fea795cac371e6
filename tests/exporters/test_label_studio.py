"""Label Studio's converter, from tasks in the form of its JSON export."""

from dataclasses import replace

import pytest

from tests.exporters.drawn import scenes
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
