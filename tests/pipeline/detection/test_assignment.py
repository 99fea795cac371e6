import numpy as np
import pytest

from pipeline.detection import assignment as module
from pipeline.detection.assignment import Matches, assign, sampled
from pipeline.detection.box_library import function_of_boxes

TRUTHS = np.array([[0, 0, 10, 10], [20, 0, 40, 10]], np.float32)
RPN = {"positive_iou": 0.7, "negative_iou": 0.3, "min_positive_iou": 0.3}
ROI = {"positive_iou": 0.5, "negative_iou": 0.5}


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def implementation(request, monkeypatch):
    """Every test with both: the second one serves where nothing can be compiled."""
    if request.param == "numpy":
        monkeypatch.setattr(module, "function_of_boxes", lambda name: None)
    elif function_of_boxes("hssl_assign") is None:
        pytest.skip("no C++ compiler here")


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = width * height if width > 0 and height > 0 else 0.0
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def reference(boxes, truths, positive_iou, negative_iou, min_positive_iou=None):
    """The rules box by box and truth by truth, in float64."""
    truth, label = [-1] * len(boxes), [0] * len(boxes)
    table = np.array([[overlap(a, b) for b in truths.tolist()] for a in boxes.tolist()])
    for i, row in enumerate(table):
        if row.max() >= positive_iou:
            truth[i], label[i] = int(row.argmax()), 1
        elif row.max() >= negative_iou:
            label[i] = -1
    for j, column in enumerate(table.T):
        if min_positive_iou is not None and column.max() >= min_positive_iou:
            for i in np.flatnonzero(column == column.max()):
                truth[i], label[i] = j, 1
    return truth, label


@pytest.mark.parametrize("rules", [RPN, ROI])
@pytest.mark.parametrize("num_truths", [1, 2, 7])
def test_equals_the_rules_box_by_box(random_boxes, rules, num_truths):
    boxes, truths = random_boxes(300, 64), random_boxes(num_truths, 64)
    boxes[:num_truths] = truths + 1
    matches = assign(boxes, truths, **rules)
    assert (matches.truth.dtype, matches.label.dtype) == (np.int64, np.int8)
    truth, label = reference(boxes, truths, **rules)
    assert matches.truth.tolist() == truth
    assert matches.label.tolist() == label


@pytest.mark.parametrize("rules", [RPN, ROI])
def test_both_implementations_assign_alike(random_boxes, monkeypatch, rules):
    boxes, truths, crowds = random_boxes(2000, 64), random_boxes(9, 64), random_boxes(3, 64)
    boxes[::7] = boxes[::7].round()  # exact ties, equal edges and boxes without area
    boxes[:9], truths[5] = truths, truths[2]
    found = [assign(boxes, truths, crowds=crowds, **rules)]
    monkeypatch.setattr(module, "function_of_boxes", lambda name: None)
    found.append(assign(boxes, truths, crowds=crowds, **rules))
    assert np.array_equal(found[0].truth, found[1].truth)
    assert np.array_equal(found[0].label, found[1].label)
    assert set(found[0].label.tolist()) == {1, 0, -1}


def test_three_outcomes():
    boxes = np.array([[0, 0, 10, 9], [0, 0, 10, 5], [0, 0, 2, 10], [20, 0, 40, 10]], np.float32)
    matches = assign(boxes, TRUTHS, positive_iou=0.7, negative_iou=0.3)  # IoU 0.9, 0.5, 0.2, 1
    assert matches.label.tolist() == [1, -1, 0, 1]
    assert matches.truth.tolist() == [0, -1, -1, 1]


def test_each_truth_takes_the_boxes_that_fit_it_best():
    boxes = np.array([[0, 0, 10, 5], [0, 5, 10, 10], [0, 0, 4, 10], [20, 0, 25, 10]], np.float32)
    matches = assign(boxes, TRUTHS, **RPN)  # 0.5 twice and 0.4 with the first; 0.25 with the second
    assert matches.label.tolist() == [1, 1, -1, 0]
    assert matches.truth.tolist() == [0, 0, -1, -1]


def test_images_without_objects_are_all_background():
    none = np.zeros((0, 4), np.float32)
    for rules in (RPN, ROI):
        matches = assign(TRUTHS, none, **rules)
        assert matches.label.tolist() == [0, 0]
        assert matches.truth.tolist() == [-1, -1]
        empty = assign(none, TRUTHS, **rules)
        assert empty.label.shape == empty.truth.shape == (0,)


def test_boxes_without_area_are_background():
    points = np.array([[5, 5, 5, 5], [3, 9, 3, 1]], np.float32)
    assert assign(points, TRUTHS, **RPN).label.tolist() == [0, 0]
    assert assign(TRUTHS, points, **RPN).label.tolist() == [0, 0]


def test_boxes_in_crowds_are_not_taught_to_be_background():
    """T14: crowds are no targets, and boxes covered by one by half or more are no negatives."""
    crowds = np.array([[100, 0, 200, 100]], np.float32)
    boxes = np.array(
        [[110, 10, 120, 20], [90, 0, 110, 10], [85, 0, 105, 10], [0, 0, 10, 10], [300, 0, 310, 10]],
        np.float32,
    )  # inside, half inside, a quarter, a truth, far away
    for rules in (RPN, ROI):
        matches = assign(boxes, TRUTHS, crowds=crowds, **rules)
        assert matches.label.tolist() == [-1, -1, 0, 1, 0]
        assert matches.truth.tolist() == [-1, -1, -1, 0, -1]
        only_crowds = assign(boxes, np.zeros((0, 4), np.float32), crowds=crowds, **rules)
        assert only_crowds.label.tolist() == [-1, -1, 0, 0, 0]
    # An object in front of a crowd stays an object.
    assert assign(TRUTHS, TRUTHS, crowds=np.array([[0, 0, 50, 50]]), **ROI).label.tolist() == [1, 1]


def matches_of(num_positive, num_negative, num_neither):
    label = np.repeat([1, 0, -1], [num_positive, num_negative, num_neither]).astype(np.int8)
    return Matches(np.where(label == 1, 0, -1).astype(np.int64), label)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((10, 500, 5), (10, 54)), ((100, 500, 5), (16, 48)), ((100, 7, 5), (16, 7)), ((0, 3, 9), (0, 3))],
)
def test_samples_keep_to_their_share(rng, counts, expected):
    matches = matches_of(*counts)
    positives, negatives = sampled(rng, matches, num_samples=64, positive_share=0.25)
    assert (len(positives), len(negatives)) == expected
    assert (matches.label[positives] == 1).all()
    assert (matches.label[negatives] == 0).all()
    for chosen in (positives, negatives):
        assert (np.diff(chosen) > 0).all()


def test_samples_are_drawn_evenly_and_repeatably():
    matches = matches_of(40, 400, 0)
    drawn = [sampled(np.random.default_rng(seed), matches, 32, 0.5) for seed in (3, 3)]
    assert np.array_equal(drawn[0][0], drawn[1][0])
    assert np.array_equal(drawn[0][1], drawn[1][1])
    rng = np.random.default_rng(4)
    positives = np.concatenate([sampled(rng, matches, 32, 0.5)[0] for _ in range(500)])
    counts = np.bincount(positives, minlength=40)  # 200 expected of each, standard deviation 11
    assert counts.min() > 140
    assert counts.max() < 260
