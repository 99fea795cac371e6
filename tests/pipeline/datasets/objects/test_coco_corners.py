from pathlib import Path

import pytest

from pipeline.datasets.objects.coco_corners import refuse_corners
from pipeline.datasets.objects.coco_file import CocoFile


def file_of(annotations):
    return CocoFile(Path("a.json"), None, {}, {1: annotations}, {}, set(), {})


def boxes(bbox, area, num=5, **rest):
    return [{"id": 7 + n, "bbox": bbox, "area": area, **rest} for n in range(num)]


def test_areas_that_only_corners_give():
    words = (
        r"a\.json: annotation 7: expected bbox as x, y, width, height, found two corners: "
        r"\[10, 20, 40, 60\] with area 1200, and so 5 boxes"
    )
    with pytest.raises(ValueError, match=words):
        refuse_corners(file_of(boxes([10, 20, 40, 60], 1200)))


@pytest.mark.parametrize(
    "annotations",
    [
        boxes([10, 20, 30, 40], 1200),  # COCO's
        boxes([0, 0, 30, 40], 1200),  # both
        boxes([10, 20, 40, 60], 1200, num=4),  # too few
        [*boxes([10, 20, 40, 60], 1200), *boxes([10, 20, 30, 40], 1200, num=1)],
        boxes([10, 20, 40, 60], 1200, segmentation=[[0, 0, 1, 0, 1, 1]]),  # an area of the mask
        boxes([10, 20, 40, 60], None),
        boxes(["10", 20, 40, 60], 1200),
        boxes([10, 20, 40], 1200),
    ],
)
def test_other_boxes_are_left_alone(annotations):
    refuse_corners(file_of(annotations))
