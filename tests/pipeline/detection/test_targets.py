import numpy as np
import pytest

from pipeline.detection.anchors import grid_anchors
from pipeline.detection.boxes import decode
from pipeline.detection.proposals import Anchors
from pipeline.detection.sizes import RPN_STDS
from pipeline.detection.targets import GroundTruth, sampled_anchors, sampled_rois
from pipeline.evaluate.box_overlap import areas, box_iou, intersections

NONE = np.zeros((0, 4), np.float32)
ROIS = {"iou": 0.5, "num_samples": 16, "num_classes": 3}


def ground_truth_of(boxes, classes=None, crowds=NONE):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    classes = np.zeros(len(boxes), np.int64) if classes is None else np.array(classes)
    return GroundTruth(boxes, classes, np.array(crowds, np.float32).reshape(-1, 4), None)


@pytest.fixture
def anchors():
    boxes = grid_anchors((8, 8), 8, 2, (0.5, 1.0, 2.0))
    return Anchors(boxes, np.array([0, len(boxes)]))


def drawn_anchors(rng, anchors, truth, *, size=(64, 64), num_samples=32, inner_only=False):
    return sampled_anchors(rng, anchors, truth, size, num_samples=num_samples, inner_only=inner_only)


def test_anchors_are_trained_towards_the_truth(rng, anchors):
    truth = ground_truth_of([[10, 12, 30, 26], [40, 40, 52, 60]])
    samples = drawn_anchors(rng, anchors, truth)
    assert len(samples.rows) == 32
    assert 0 < samples.positive.sum() <= 16
    overlap = box_iou(anchors.boxes[samples.rows], truth.boxes).max(axis=1)
    assert (overlap[~samples.positive] < 0.3).all()
    assert (overlap[samples.positive] >= 0.3).all()
    moved = decode(samples.deltas, anchors.boxes[samples.rows], RPN_STDS)[samples.positive]
    assert np.allclose(box_iou(moved, truth.boxes).max(axis=1), 1, atol=1e-4)
    assert not samples.deltas[~samples.positive].any()


def test_t13_no_objects_only_negative_anchors(rng, anchors):
    """T13: an image without objects teaches what is nothing."""
    samples = drawn_anchors(rng, anchors, ground_truth_of([]))
    assert len(samples.rows) == 32
    assert not samples.positive.any()
    assert not samples.deltas.any()


def test_t14_anchors_inside_crowds_are_no_negatives(rng, anchors):
    """T14: IoF >= 0.5 with a crowd, and an anchor is not drawn as negative."""
    crowd = [[0, 0, 40, 64]]
    samples = drawn_anchors(rng, anchors, ground_truth_of([], crowds=crowd), num_samples=10_000)
    shares = intersections(anchors.boxes, np.array(crowd, np.float32))[:, 0] / areas(anchors.boxes)
    assert np.array_equal(samples.rows, np.flatnonzero(shares < 0.5))
    everywhere = drawn_anchors(rng, anchors, ground_truth_of([], crowds=[[-64, -64, 128, 128]]))
    assert not len(everywhere.rows)


def test_anchors_in_the_padding_are_not_drawn(rng, anchors):
    samples = drawn_anchors(rng, anchors, ground_truth_of([]), size=(32, 40), num_samples=10_000)
    centers = (anchors.boxes[:, :2] + anchors.boxes[:, 2:]) / 2
    assert np.array_equal(samples.rows, np.flatnonzero((centers < [40, 32]).all(axis=1)))


def test_anchors_that_leave_the_image_can_be_left_out(rng, anchors):
    samples = drawn_anchors(rng, anchors, ground_truth_of([]), num_samples=10_000, inner_only=True)
    boxes = anchors.boxes[samples.rows]
    assert 0 < len(boxes) < len(anchors.boxes)
    assert boxes.min() >= 0
    assert boxes.max() <= 64


def test_rois_are_labelled_by_their_truth(rng, random_boxes):
    truth = ground_truth_of([[5, 5, 25, 25], [40, 10, 60, 50]], classes=[2, 0])
    proposals = np.concatenate([random_boxes(30, 64), truth.boxes + 1])
    rois = sampled_rois([rng], [proposals], [truth], **ROIS)
    assert len(rois.boxes) == 16
    assert (rois.labels < 3).sum() == 4, "a quarter is positive"
    positive = rois.truth >= 0
    assert np.array_equal(rois.labels[positive], truth.classes[rois.truth[positive]])
    assert np.array_equal(rois.targets[positive], truth.boxes[rois.truth[positive]])
    assert np.array_equal(rois.targets[~positive], rois.boxes[~positive])
    overlap = box_iou(rois.boxes, truth.boxes).max(axis=1)
    assert np.array_equal(overlap >= 0.5, positive)
    assert (rois.labels[~positive] == 3).all()
    assert np.array_equal(rois.is_truth, overlap == 1), "true boxes are among the proposals, and marked"


def test_t13_no_objects_only_background(rng, random_boxes):
    """T13: no positive boxes, and none at all where there are no proposals either."""
    rois = sampled_rois([rng], [random_boxes(30, 64)], [ground_truth_of([])], **ROIS)
    assert len(rois.boxes) == 16
    assert (rois.labels == 3).all()
    assert not rois.is_truth.any()
    assert len(sampled_rois([rng], [NONE], [ground_truth_of([])], **ROIS).boxes) == 0


def test_t14_rois_inside_crowds_are_not_background(rng):
    """T14: crowds are no targets, and boxes inside them are not drawn."""
    proposals = np.array([[2, 2, 20, 20], [40, 40, 60, 60]], np.float32)
    rois = sampled_rois([rng], [proposals], [ground_truth_of([], crowds=[[0, 0, 30, 30]])], **ROIS)
    assert np.array_equal(rois.boxes, proposals[1:])


def test_images_beside_each_other_are_like_images_alone(random_boxes):
    truths = [
        ground_truth_of([[10, 12, 30, 26], [40, 40, 52, 60]], [2, 1]),
        ground_truth_of([]),
        ground_truth_of([[5, 6, 25, 44]], [1]),
    ]
    found = [np.concatenate([random_boxes(30, 64), truth.boxes + 1]) for truth in truths]
    together = sampled_rois([np.random.default_rng(seed) for seed in range(3)], found, truths, **ROIS)
    assert together.image_index.tolist() == [0] * 16 + [1] * 16 + [2] * 16
    for image in range(3):
        rng = np.random.default_rng(image)
        alone = sampled_rois([rng], found[image : image + 1], truths[image : image + 1], **ROIS)
        rows = together.image_index == image
        for name in ("boxes", "labels", "truth", "targets", "is_truth"):
            assert np.array_equal(getattr(together, name)[rows], getattr(alone, name))


def test_equal_generators_draw_equal_boxes(anchors, random_boxes):
    truth, proposals = ground_truth_of([[10, 12, 30, 26]]), random_boxes(60, 64)
    draws = []
    for _ in range(2):
        rng = np.random.default_rng(4)
        first = drawn_anchors(rng, anchors, truth)
        draws.append((first.rows, sampled_rois([rng], [proposals], [truth], **ROIS).boxes))
    assert np.array_equal(draws[0][0], draws[1][0])
    assert np.array_equal(draws[0][1], draws[1][1])
