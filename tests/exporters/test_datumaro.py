"""datumaro: every format that it exports and is read here."""

import pytest

from tests.exporters.drawn import CLASSES, scenes
from tests.exporters.holding import hold_classes, hold_label_maps, hold_objects


@pytest.fixture
def folder(written_by):
    return written_by("write_datumaro", "datumaro")


@pytest.mark.parametrize(
    "name", ["coco-boxes", "coco-polygons", "voc-boxes", "yolo", "yolo-ultralytics", "cvat"]
)
def test_boxes(folder, prepared, name):
    stated = {"unannotated": "no-objects"} if name == "voc-boxes" else {}
    hold_objects(prepared(folder / name, **stated), masks=False)


@pytest.mark.parametrize("name", ["coco-masks", "coco-boxes-masks", "cvat-masks"])
def test_masks(folder, prepared, name):
    """datumaro writes every mask as run lengths, which it calls crowds."""
    stated = {"crowds": "objects"} if name.startswith("coco") else {}
    hold_objects(prepared(folder / name, **stated), masks=True)


def test_all_of_coco_when_asked_for_objects(folder, prepared):
    hold_objects(prepared(folder / "coco-all", annotation="objects", crowds="objects"), masks=True)


def test_all_of_voc_when_asked_for_objects(folder, prepared):
    data = prepared(folder / "voc", annotation="objects", unannotated="no-objects")
    hold_objects(data, masks=False)


@pytest.mark.parametrize("name", ["voc-masks", "voc-numbers", "voc-colours"])
def test_label_maps_of_voc(folder, prepared, name):
    """There is no mask of an image without objects."""
    drawn = [scene for scene in scenes() if scene.things]
    hold_label_maps(prepared(folder / name, max_bad_share=0.5), expected=drawn)


@pytest.mark.parametrize("name", ["camvid-numbers", "camvid-colours", "cityscapes"])
def test_label_maps_whose_table_lacks_the_background(folder, prepared, name):
    """datumaro leaves it out of label_colors.txt; what is asked for is done, then the file is read."""
    with pytest.raises(ValueError, match=r"add its name as the first line|of the colour \(0, 0, 0\)"):
        prepared(folder / name, max_bad_share=0.5)
    table = folder / name / "label_colors.txt"
    lines = table.read_text().splitlines()
    assert len(lines) == len(CLASSES)
    try:
        table.write_text("\n".join(["0 0 0 background", *lines]) + "\n")
        drawn = [scene for scene in scenes() if scene.things]
        hold_label_maps(prepared(folder / name, max_bad_share=0.5), expected=drawn)
    finally:
        table.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("name", ["classes", "classes-together"])
def test_classes(folder, prepared, name):
    hold_classes(prepared(folder / name), splits=name == "classes")
