import numpy as np
import pytest

from pipeline.detection import nms as module
from pipeline.detection.box_library import function_of_boxes
from pipeline.detection.nms import nms


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def implementation(request, monkeypatch):
    """Every test with both: the second one serves where nothing can be compiled."""
    if request.param == "numpy":
        monkeypatch.setattr(module, "function_of_boxes", lambda name: None)
    elif function_of_boxes("hssl_nms") is None:
        pytest.skip("no C++ compiler here")


def reference(boxes, scores, threshold, classes):
    """Box by box in float64, as the definition says."""
    boxes = boxes.astype(np.float64)
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(overlap(boxes[i], boxes[j]) <= threshold or classes[i] != classes[j] for j in kept):
            kept.append(i)
    return kept


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


@pytest.mark.parametrize("extent", [1, 8, 100])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_equals_the_definition(rng, random_boxes, extent, threshold):
    """T19: equal to the exact reference on boxes within 1, 8 and 100 pixels, with and without classes."""
    boxes = random_boxes(400, extent)
    scores = rng.integers(0, 50, 400) / 50  # many ties
    for classes in (np.zeros(400, int), rng.integers(0, 3, 400)):
        expected = reference(boxes, scores.tolist(), threshold, classes.tolist())
        assert nms(boxes, scores, threshold, classes).tolist() == expected
    assert nms(boxes, scores, threshold).tolist() == reference(boxes, scores.tolist(), threshold, [0] * 400)


def test_classes_do_not_touch_each_other():
    """T19: two equal boxes of different classes both stay, without classes one does."""
    boxes, scores = np.array([[0, 0, 4, 4], [0, 0, 4, 4]], np.float32), np.array([0.3, 0.9])
    assert nms(boxes, scores, 0.5, np.array([0, 1])).tolist() == [1, 0]
    assert nms(boxes, scores, 0.5, np.array([7, 7])).tolist() == [1]
    assert nms(boxes, scores, 0.5).tolist() == [1]


def test_ties_go_to_the_lower_index():
    """T19: ties by index."""
    boxes = np.tile(np.array([[0, 0, 4, 4]], np.float32), (300, 1))
    boxes[1::2] += 10
    assert nms(boxes, np.full(300, 0.5), 0.5).tolist() == [0, 1]


def test_an_overlap_of_exactly_the_threshold_stays():
    boxes = np.array([[0, 0, 2, 1], [0, 0, 1, 1]], np.float32)
    assert nms(boxes, np.array([0.9, 0.8]), 0.5).tolist() == [0, 1]
    assert nms(boxes, np.array([0.9, 0.8]), 0.499).tolist() == [0]


def test_a_removed_box_removes_nothing():
    chain = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], np.float32)
    assert nms(chain, np.array([0.9, 0.8, 0.7]), 0.3).tolist() == [0, 2]


def test_no_boxes():
    """T19: no boxes, none kept."""
    none = np.zeros((0, 4), np.float32)
    for classes in (None, np.zeros(0, int)):
        kept = nms(none, np.zeros(0), 0.5, classes)
        assert kept.shape == (0,)
        assert kept.dtype == np.int64


def test_boxes_without_area_stay():
    boxes = np.array([[3, 3, 3, 3], [3, 3, 3, 3], [0, 0, 9, 9]], np.float32)
    assert nms(boxes, np.array([0.1, 0.2, 0.3]), 0.5).tolist() == [2, 1, 0]


def test_equal_to_numpy_where_overlaps_are_close_to_the_threshold(rng, implementation):
    """Corners on a coarse grid give many overlaps of exactly a half, a third, two thirds."""
    corners = rng.integers(0, 6, (600, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, 5, (600, 2))], axis=1).astype(np.float32) / 3
    scores, classes = rng.random(600), rng.integers(-2, 3, 600)
    for threshold in (0.0, 1 / 3, 0.5, 2 / 3, 1.0):
        ends, grouped = np.array([len(boxes)]), boxes.astype(np.float64)
        expected = module._kept_by_numpy(grouped, ends, threshold)
        if module.function_of_boxes("hssl_nms") is not None:
            assert np.array_equal(module._kept_by_library(grouped, ends, threshold), expected)
        whole = nms(boxes, scores, threshold, classes)
        parts = [np.flatnonzero(classes == name) for name in range(-2, 3)]
        alone = [rows[nms(boxes[rows], scores[rows], threshold)] for rows in parts]
        assert sorted(whole.tolist()) == sorted(np.concatenate(alone).tolist())


def test_boxes_that_are_no_numbers_stay():
    boxes = np.array([[0, 0, 9, 9], [0, np.nan, 9, 9], [1, 0, 9, 9]], np.float32)
    assert nms(boxes, np.array([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 1]


def test_lengths_that_differ(random_boxes):
    with pytest.raises(ValueError, match="nms: 3 boxes, 2 scores"):
        nms(random_boxes(3, 10), np.zeros(2), 0.5)
    with pytest.raises(ValueError, match="nms: 3 boxes, 3 scores, 4 classes"):
        nms(random_boxes(3, 10), np.zeros(3), 0.5, np.zeros(4, int))
