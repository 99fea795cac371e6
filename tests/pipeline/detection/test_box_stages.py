import numpy as np
import pytest

from pipeline.detection.boxes import decode
from pipeline.detection.sizes import STAGES
from pipeline.detection.targets import RoiSamples

BOXES = np.array([[10, 10, 30, 30], [5, 5, 25, 45], [40, 40, 60, 60]], np.float32)


def rois_of(labels, targets=None):
    truth = np.where(np.array(labels) < 3, 0, -1)
    return RoiSamples(
        boxes=BOXES,
        labels=np.array(labels),
        truth=truth,
        targets=BOXES if targets is None else np.array(targets, np.float32),
        is_truth=np.zeros(3, bool),
        image_index=np.zeros(3, np.int64),
    )


def giou(a, b):
    """Of two boxes, by the definition."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.prod(np.clip(high - low, 0, None))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common
    hull = np.prod(np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2]))
    return common / union - (hull - union) / hull


@pytest.fixture
def head(jt, small_heads):
    from pipeline.detection.roi_heads import BoxHead

    return lambda **changes: BoxHead(small_heads(**changes), 3)


@pytest.mark.parametrize("class_agnostic", [True, False])
def test_box_losses_against_the_definitions(jt, rng, head, class_agnostic):
    from pipeline.detection.box_stages import box_losses
    from pipeline.detection.losses import Output

    head, stage = head(class_agnostic=class_agnostic), STAGES[1]
    logits = rng.normal(size=(3, 4)).astype(np.float32)
    deltas = rng.normal(size=(3, 1 if class_agnostic else 3, 4)).astype(np.float32)
    rois = rois_of([2, 3, 0], BOXES + rng.uniform(-5, 5, BOXES.shape))
    classes, boxes = box_losses(
        head, Output.read(jt.array(logits)), Output.read(jt.array(deltas)), rois, stage
    )

    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert classes.value == pytest.approx(-log_probs[[0, 1, 2], [2, 3, 0]].mean(), rel=1e-5)
    of_class = deltas[[0, 2], [0, 0] if class_agnostic else [2, 0]]
    moved = decode(of_class, BOXES[[0, 2]], stage.stds)
    distances = [1 - giou(*pair) for pair in zip(moved, rois.targets[[0, 2]], strict=True)]
    # Divided by all boxes, not by the positive ones alone.
    assert boxes.value == pytest.approx(10 * sum(distances) / 3, rel=1e-4)


def test_t13_background_alone_moves_no_box(jt, rng, head):
    """T13: the loss of boxes is 0, and so is its gradient."""
    from pipeline.detection.box_stages import box_losses
    from pipeline.detection.losses import Output

    head = head(class_agnostic=False)
    deltas = jt.array(rng.normal(size=(3, 3, 4)).astype(np.float32))
    classes, boxes = box_losses(
        head, Output.read(jt.zeros((3, 4))), Output.read(deltas), rois_of([3, 3, 3]), STAGES[0]
    )
    assert (classes.value, boxes.value) == (pytest.approx(np.log(4)), 0)
    assert not boxes.gradient.any()


def test_mask_loss_by_hand(jt):
    from pipeline.detection.box_stages import mask_loss

    mask = np.zeros((20, 20), bool)
    mask[:, :10] = True
    boxes = np.array([[0, 0, 20, 20]], np.float32)
    logits = np.full((1, 14, 14, 2, 2), 2.0, np.float32)
    expected = np.log1p(np.exp(-2.0)) + 2.0 / 2  # half of the cells are wrong
    assert mask_loss(jt.array(logits), boxes, [mask]).value == pytest.approx(expected, rel=1e-5)


def test_masks_that_are_not_known_are_not_trained(jt):
    from pipeline.detection.box_stages import mask_rows
    from pipeline.detection.targets import GroundTruth

    none = np.zeros((0, 4), np.float32)
    truths = [
        GroundTruth(BOXES[:1], np.zeros(1, np.int64), none, masks)
        for masks in (None, np.ones((1, 64, 64), bool))
    ]
    rois = rois_of([0, 0, 3])
    rois.image_index[:] = [0, 1, 1]
    assert mask_rows(rois, truths).tolist() == [1]


def test_boxes_move_as_of_their_class(jt, rng, head):
    from pipeline.detection.box_stages import refined_boxes, refined_classes

    logits = np.array([[0, 5, 1, 9], [4, 3, 1, 0], [0, 0, 7, 9]], np.float32)
    assert refined_classes(logits).tolist() == [1, 0, 2], "never as background"
    assert refined_classes(logits, np.array([2, 3, 0])).tolist() == [2, 0, 0], (
        "labels count where there are some"
    )
    deltas = rng.normal(size=(3, 3, 4)).astype(np.float32)
    sizes = np.array([[50, 44], [20, 30], [50, 44]])
    moved = refined_boxes(head(class_agnostic=False), deltas, BOXES, np.array([1, 0, 2]), STAGES[0], sizes)
    expected = decode(deltas[[0, 1, 2], [1, 0, 2]], BOXES, STAGES[0].stds)
    assert np.allclose(moved, np.clip(expected, 0, sizes[:, [1, 0, 1, 0]]))


KEEP = {"score_threshold": 0.1, "nms_iou": 0.5, "most": 10}


def best(head, scores, boxes, **changes):
    from pipeline.detection.box_stages import best_boxes

    deltas = np.zeros((len(boxes), head.num_boxes, 4), np.float32)
    scores, boxes = np.array(scores, np.float32), np.array(boxes, np.float32)
    return best_boxes(head, scores, deltas, boxes, (64, 64), stage=STAGES[2], **KEEP | changes)


def test_a_box_may_come_for_several_classes(jt, head):
    boxes, scores, classes = best(head(), [[0.5, 0.3, 0.05, 0.15]], BOXES[:1])
    assert classes.tolist() == [0, 1]
    assert scores.tolist() == pytest.approx([0.5, 0.3])
    assert np.array_equal(boxes, BOXES[[0, 0]])


def test_copies_of_one_class_are_removed(jt, head):
    near = BOXES[0] + 1
    table = [[0.6, 0, 0, 0.4], [0.7, 0.2, 0, 0.1], [0.3, 0.3, 0, 0.4]]
    boxes, scores, classes = best(head(), table, [BOXES[0], near, BOXES[2]])
    assert classes.tolist() == [0, 0, 1, 1]
    assert scores.tolist() == pytest.approx([0.7, 0.3, 0.3, 0.2])
    assert np.allclose(boxes, [near, BOXES[2], BOXES[2], near])
    assert len(best(head(), table, [BOXES[0], near, BOXES[2]], most=2)[0]) == 2


def test_nothing_above_the_threshold(jt, head):
    boxes, scores, classes = best(head(), [[0.05, 0.05, 0.05, 0.85]], BOXES[:1])
    assert (boxes.shape, scores.shape, classes.shape) == ((0, 4), (0,), (0,))
