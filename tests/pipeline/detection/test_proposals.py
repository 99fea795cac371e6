import numpy as np
import pytest

from pipeline.detection import proposals as module
from pipeline.detection.box_library import function_of_boxes
from pipeline.detection.boxes import decode
from pipeline.detection.proposals import Anchors
from pipeline.detection.sizes import RPN_STDS
from pipeline.evaluate.box_overlap import box_iou


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def implementation(request, monkeypatch):
    """Every test with both: the second one serves where nothing can be compiled."""
    if request.param == "numpy":
        monkeypatch.setattr(module, "function_of_boxes", lambda name: None)
    elif function_of_boxes("hssl_highest") is None:
        pytest.skip("no C++ compiler here")


def proposals(outputs, anchors, size, **limits):
    """Of one image."""
    (found,) = module.proposals(outputs, np.arange(len(outputs))[None], anchors, np.array([size]), **limits)
    return found


def two_levels(rng, num_anchors=(60, 25)):
    boxes = rng.uniform(0, 80, (sum(num_anchors), 2))
    boxes = np.concatenate([boxes, boxes + rng.uniform(4, 30, boxes.shape)], axis=1).astype(np.float32)
    outputs = rng.normal(size=(len(boxes), 5)).astype(np.float32)
    outputs[:, 1:] *= 0.3
    return outputs, Anchors(boxes, np.cumsum([0, *num_anchors]))


def reference(outputs, anchors, size, num_per_level, num_proposals):
    """One box after the other."""
    kept = []
    for start, end in zip(anchors.ends[:-1], anchors.ends[1:], strict=True):
        order = sorted(range(start, end), key=lambda i: (-outputs[i, 0], i))[:num_per_level]
        of_level = []
        for index in order:
            box = decode(outputs[index : index + 1, 1:], anchors.boxes[index : index + 1], RPN_STDS)[0]
            box = np.clip(box, 0, [size[1], size[0]] * 2).astype(np.float32)
            if box[2] <= box[0] or box[3] <= box[1]:
                continue
            if all(box_iou(box[None], other[None])[0, 0] <= 0.7 for _, other in of_level):
                of_level.append((outputs[index, 0], box))
        kept += of_level
    kept.sort(key=lambda entry: -entry[0])
    return np.array([box for _, box in kept[:num_proposals]])


def test_against_one_box_after_the_other(rng):
    outputs, anchors = two_levels(rng)
    for limits in ((10, 12), (40, 1000), (1000, 5)):
        found = proposals(outputs, anchors, (70, 90), num_per_level=limits[0], num_proposals=limits[1])
        assert np.allclose(found, reference(outputs, anchors, (70, 90), *limits), atol=1e-4)


def test_images_beside_each_other_are_like_images_alone(rng):
    """Each with its own size, and rows that alternate."""
    images, sizes = [two_levels(rng)[0] for _ in range(3)], np.array([[70, 90], [30, 40], [80, 20]])
    anchors = two_levels(rng)[1]
    outputs = np.stack(images, axis=1).reshape(-1, 5)
    places = np.arange(len(outputs)).reshape(-1, 3).T
    found = module.proposals(outputs, places, anchors, sizes, num_per_level=20, num_proposals=15)
    for of_image, alone, size in zip(found, images, sizes, strict=True):
        expected = proposals(alone, anchors, tuple(size), num_per_level=20, num_proposals=15)
        assert len(expected)
        assert np.array_equal(of_image, expected)


def test_the_highest_scores_of_groups(rng):
    outputs = rng.integers(0, 9, (400, 5)).astype(np.float32)  # many equal scores
    places, ends = rng.permutation(400), np.array([150, 150, 153, 400])
    found, counts = module._highest(outputs, places, ends, 60)
    assert counts.tolist() == [60, 0, 3, 60]
    expected = []
    for start, end in ((0, 150), (150, 153), (153, 400)):
        expected += sorted(range(start, end), key=lambda i: (-outputs[places[i], 0], i))[:60]
    assert found.tolist() == expected


def test_t4_boxes_never_lie_in_the_padding(rng):
    """T4: they are clipped to the image without its padding, and those outside are dropped."""
    outputs, anchors = two_levels(rng)
    found = proposals(outputs, anchors, (30, 40), num_per_level=100, num_proposals=100)
    assert len(found)
    assert found.min() >= 0
    assert found[:, 2].max() <= 40
    assert found[:, 3].max() <= 30
    assert (found[:, 2:] > found[:, :2]).all()


def test_of_equal_scores_the_first_anchors_are_taken():
    boxes = np.arange(8)[:, None] * 10 + np.array([0, 0, 5, 5])
    outputs = np.zeros((8, 5), np.float32)
    anchors = Anchors(boxes.astype(np.float32), np.array([0, 8]))
    found = proposals(outputs, anchors, (100, 100), num_per_level=3, num_proposals=100)
    assert np.array_equal(found, boxes[:3])


def test_copies_on_different_levels_stay():
    boxes = np.array([[0, 0, 10, 10]] * 2, np.float32)
    for ends, expected in (([0, 2], 1), ([0, 1, 2], 2)):
        found = proposals(
            np.zeros((2, 5), np.float32),
            Anchors(boxes, np.array(ends)),
            (20, 20),
            num_per_level=9,
            num_proposals=9,
        )
        assert len(found) == expected


def test_which_anchors_are_inside():
    anchors = Anchors(np.array([[0, 0, 8, 8], [-1, 0, 7, 8], [6, 0, 14, 8], [8, 0, 16, 8]], "f4"), None)
    assert anchors.inside(8, 12).tolist() == [True, False, False, False]
    assert anchors.centered_inside(8, 12).tolist() == [True, True, True, False]
