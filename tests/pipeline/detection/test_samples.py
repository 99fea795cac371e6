import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths

from pipeline.datasets.targets import Objects
from pipeline.detection.samples import (
    DetectedSample,
    best_detections,
    read_samples,
    share_found,
    write_samples,
)
from pipeline.evaluate.average_precision import Detections

SQUARE, SHIFTED, FAR = (0, 0, 10, 10), (3, 0, 13, 10), (50, 50, 60, 60)  # IoU of the first two: 7 / 13


def truth(boxes, classes, crowd=None):
    crowd = np.zeros(len(boxes), bool) if crowd is None else np.array(crowd)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Objects(boxes, np.array(classes, int), crowd, np.full(len(boxes), 100.0), (None,) * len(boxes))


def found(boxes, classes, scores, masks=None):
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores), np.array(classes), masks)


def test_objects_are_found_by_boxes_of_their_class_one_each():
    objects = truth([SQUARE, FAR], [0, 1])
    for boxes, classes, share in (
        ([SHIFTED, FAR], [0, 1], 1.0),
        ([SHIFTED, FAR], [0, 0], 0.5),  # the far one is of another class
        ([SQUARE, SHIFTED], [0, 0], 0.5),  # two on one object
    ):
        best = best_detections(found(boxes, classes, [0.9, 0.8]), 2)
        assert share_found(objects, best) == share


def test_as_many_detections_as_objects_count_those_of_the_highest_scores():
    objects = truth([SQUARE], [0])
    best = best_detections(found([FAR, SQUARE], [0, 0], [0.9, 0.8]), 1)
    assert best.scores.tolist() == [0.9]
    assert share_found(objects, best) == 0.0


def test_a_crowd_is_no_object():
    assert np.isnan(share_found(truth([SQUARE], [0], [True]), best_detections(found([], [], []), 0)))
    objects = truth([SQUARE, FAR], [0, 0], [True, False])
    assert share_found(objects, best_detections(found([FAR], [0], [0.5]), 1)) == 1.0
    assert share_found(objects, best_detections(found([], [], []), 1)) == 0.0


def test_samples_come_back_as_they_were(tmp_path):
    mask = run_lengths.encode(np.asfortranarray(np.eye(4, dtype=np.uint8)))
    best = best_detections(found([SQUARE], [2], [0.75], [mask]), 1)
    nothing = best_detections(found([], [], []), 0)
    samples = [
        DetectedSample(4, 0.5, best),
        DetectedSample(5, 0.0, nothing),
        DetectedSample(6, np.nan, nothing),
    ]
    write_samples(tmp_path / "samples.json", samples)
    read = read_samples(tmp_path / "samples.json")
    assert [*read] == [4, 5]
    assert read[4].score == pytest.approx(0.5)
    assert (read[4].found.classes.tolist(), read[4].found.scores.tolist()) == ([2], [0.75])
    assert (run_lengths.decode(read[4].found.segments[0]) == np.eye(4)).all()
    assert read[5].found.boxes.shape == (0, 4)
