import numpy as np
from faster_coco_eval.core import mask as run_lengths

from pipeline.datasets.targets import Objects
from pipeline.dense_probes.foreground import foreground, truth_boxes


def objects(masks, boxes, crowd, *, known=True):
    segments = [run_lengths.encode(np.asfortranarray(mask, np.uint8)) if known else None for mask in masks]
    n = len(boxes)
    return Objects(
        boxes=np.array(boxes, np.float32).reshape(n, 4),
        classes=np.zeros(n, np.int64),
        crowd=np.array(crowd, bool),
        areas=np.ones(n, np.float32),
        segments=tuple(segments),
    )


MASKS = np.zeros((2, 4, 6), bool)
MASKS[0, 0, 0] = MASKS[1, 3, 2:4] = True
BOXES = [[0, 0, 2, 2], [1.6, 3, 4.2, 9]]


def test_the_union_of_masks_holds_crowds_and_their_boxes_are_no_truth():
    found = objects(MASKS, BOXES, [False, True])
    np.testing.assert_array_equal(foreground(found, 4, 6), MASKS.any(axis=0))
    np.testing.assert_allclose(truth_boxes(found), BOXES[:1])


def test_without_masks_boxes_cover_the_pixels_whose_centres_they_hold():
    covered = foreground(objects(MASKS, BOXES, [False, False], known=False), 4, 6)
    expected = np.zeros((4, 6), bool)
    expected[:2, :2] = expected[3, 2:4] = True
    np.testing.assert_array_equal(covered, expected)


def test_no_object_no_foreground():
    assert not foreground(objects(MASKS[:0], [], []), 4, 6).any()
