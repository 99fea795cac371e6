"""globox and sahi, from objects of their own."""

import pytest

from tests.exporters.drawn import CLASSES
from tests.exporters.holding import hold_objects


@pytest.fixture
def folder(written_by):
    return written_by("write_converters", "globox, sahi")


@pytest.mark.parametrize(
    "name", ["globox-coco", "globox-voc", "globox-yolo", "globox-cvat", "globox-labelme", "sahi-coco"]
)
def test_boxes(folder, prepared, name):
    stated = {"class_names": list(CLASSES)} if name == "globox-cvat" else {}  # its xml has no labels
    hold_objects(prepared(folder / name, **stated), masks=False)
