import numpy as np
import pytest

from pipeline.evaluate.box_overlap import areas, box_iou


def random_boxes(rng, num_boxes):
    corners, sides = rng.uniform(0, 60, (num_boxes, 2)), rng.uniform(5, 60, (num_boxes, 2))
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def common_area(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def area(a):
    return (a[2] - a[0]) * (a[3] - a[1])


def test_overlaps_pair_by_pair(rng):
    first, second = random_boxes(rng, 12), random_boxes(rng, 9)
    iou = box_iou(first, second)
    assert iou.shape == (12, 9)
    for i, a in enumerate(first.tolist()):
        for j, b in enumerate(second.tolist()):
            common = common_area(a, b)
            assert iou[i, j] == pytest.approx(common / (area(a) + area(b) - common), abs=1e-6)


def test_sides_count_without_an_extra_pixel():
    boxes = np.array([[0, 0, 2, 1], [1, 0, 3, 1], [2, 0, 4, 1]], np.float32)
    assert areas(boxes).tolist() == [2, 2, 2]
    assert box_iou(boxes, boxes)[0].tolist() == pytest.approx([1, 1 / 3, 0])


def test_boxes_without_area_overlap_nothing():
    boxes = np.array([[3, 3, 3, 3], [5, 1, 5, 9], [9, 9, 1, 1]], np.float32)
    assert areas(boxes).tolist() == [0, 0, 0]
    whole = np.array([[0, 0, 10, 10]], np.float32)
    for overlap in (box_iou(boxes, boxes), box_iou(boxes, whole)):
        assert (overlap == 0).all()


def test_no_boxes(rng):
    assert box_iou(np.zeros((0, 4), np.float32), random_boxes(rng, 3)).shape == (0, 3)
