"""From what the network sees back to the image as it is stored."""

import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths

from pipeline.config.dense import DetectViewConfig

VIEW = DetectViewConfig(short_sides=(32,), max_long_side=64, test_short_side=32)


class Images:
    """A data set of grey images of given (width, height)."""

    def __init__(self, sizes):
        self.sizes = sizes

    def size(self, row):
        return self.sizes[row]

    def image(self, row):
        width, height = self.sizes[row]
        return np.full((height, width, 3), 10 * row, np.uint8)


def found_of(boxes, masks=True):
    from pipeline.detection.inference import RawDetections

    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    probabilities = np.ones((len(boxes), 28, 28), np.float32) if masks else None
    return RawDetections(
        boxes, np.linspace(0.9, 0.5, len(boxes)), np.zeros(len(boxes), np.int64), probabilities
    )


@pytest.fixture
def predictor(jt, small_detector):
    from pipeline.detection.predictions import Predictor

    return Predictor(small_detector(), VIEW, np.full(3, 0.5, "f4"), np.full(3, 0.5, "f4"))


def test_t25_original_coordinates(jt):
    """T25: boxes and masks of an image that was reduced to half in x and a third in y."""
    from pipeline.detection.predictions import detections_of

    found = detections_of(found_of([[2, 3, 10, 8], [0, 0, 40, 30]]), (30, 40), (90, 80))
    assert found.boxes.tolist() == [[4, 9, 20, 24], [0, 0, 80, 90]]
    masks = [run_lengths.decode(mask) for mask in found.masks]
    assert [mask.shape for mask in masks] == [(90, 80)] * 2
    expected = np.zeros((90, 80), np.uint8)
    expected[9:24, 4:20] = 1
    assert np.array_equal(masks[0], expected)
    assert masks[1].all()
    assert found.scores.dtype == np.float32


def test_boxes_without_masks_and_nothing_at_all(jt):
    from pipeline.detection.predictions import detections_of

    assert detections_of(found_of([[2, 3, 10, 8]], masks=False), (30, 40), (30, 40)).masks is None
    nothing = detections_of(found_of([]), (30, 40), (60, 80))
    assert (nothing.boxes.shape, nothing.masks) == ((0, 4), [])


def test_t4_only_images_of_one_size_share_a_batch(jt, predictor, monkeypatch):
    """T4: so what is found in an image depends on no other; the order is that of the rows."""
    from pipeline.detection import predictions

    seen = []

    def recorded(network, images, sizes):
        seen.append((images.shape, sizes.tolist()))
        return [found_of([[0, 0, width, height]]) for height, width in sizes.tolist()]

    monkeypatch.setattr(predictions, "detect", recorded)
    dataset = Images([(64, 64), (64, 64), (60, 30), (64, 64)])
    found = list(predictor.predictions(dataset, np.array([0, 1, 2, 3]), 2))
    assert seen == [
        ((2, 3, 32, 32), [[32, 32]] * 2),
        ((1, 3, 32, 64), [[32, 64]]),
        ((1, 3, 32, 32), [[32, 32]]),
    ]
    assert [d.boxes.tolist() for d in found] == [[[0, 0, width, height]] for width, height in dataset.sizes]


def test_large_images_come_one_by_one(jt, predictor):
    from dataclasses import replace

    assert replace(predictor, view=DetectViewConfig())._batch_of((640, 480)) == 1
    assert predictor._batch_of((64, 64)) == 32


def test_t22_the_truth_found_again_is_perfect(jt, tmp_path):
    """T22: true boxes and masks, cut out, reduced, found and pasted back, have AP 1 for boxes and masks."""
    from pipeline.config.data import DataConfig
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.datasets.preparing import prepare
    from pipeline.detection.inference import RawDetections
    from pipeline.detection.masks import mask_targets
    from pipeline.detection.predictions import detections_of
    from pipeline.evaluate.average_precision import coco_results, evaluate_ap

    scenes = {"drawing": "objects", "image_size": 64, "num_train": 2, "num_val": 2, "num_test": 20}
    prepare(DataConfig.model_validate({"photo_scenes": scenes}), tmp_path, num_workers=1)
    dataset = PreparedDataset.open(tmp_path)
    rows, detections = dataset.indices("test").tolist(), []
    for row in rows:
        objects = dataset.objects(row)
        masks = mask_targets(objects.masks(64, 64), objects.boxes, 28)
        found = RawDetections(objects.boxes / 2, np.ones(len(masks)), objects.classes, masks)
        detections.append(detections_of(found, (32, 32), (64, 64)))
    results = coco_results(detections, dataset, rows)
    assert evaluate_ap(results, dataset, rows, "bbox").metrics["ap"] == pytest.approx(1.0)
    masks = evaluate_ap(results, dataset, rows, "segm").metrics
    assert masks["ap75"] == pytest.approx(1.0)
    assert masks["ap"] > 0.9, "28 x 28 cells do not hold every pixel of an outline"
    shuffled = coco_results(detections[1:] + detections[:1], dataset, rows)
    assert evaluate_ap(shuffled, dataset, rows, "bbox").metrics["ap"] < 0.1


def test_t1_sides_that_no_patch_divides(jt, small_detector, monkeypatch):
    """T1: 75 x 100 px are padded right and below, the last pixels count, and no box leaves the image."""
    from pipeline.detection import predictions
    from pipeline.detection.predictions import Predictor

    view = DetectViewConfig(short_sides=(75,), max_long_side=100, test_short_side=75)
    network = small_detector(score_threshold=0.0)
    network.eval()
    predictor = Predictor(network, view, np.full(3, 0.5, "f4"), np.full(3, 0.5, "f4"))
    seen, whole = [], predictions.detect
    monkeypatch.setattr(
        predictions, "detect", lambda n, images, sizes: seen.append(images) or whole(n, images, sizes)
    )
    (found,) = predictor.predictions(Images([(100, 75)]), np.array([0]), 1)
    assert seen[0].shape == (1, 3, 96, 128)
    assert not seen[0][:, :, 75:].any()
    assert not seen[0][..., 100:].any()
    assert len(found.boxes) == network.config.max_detections
    assert found.boxes.min() >= 0
    assert (found.boxes[:, 2:].max(axis=0) <= (100, 75)).all()
    levels = network.levels(jt.array(seen[0])).table.numpy()
    for row, column in ((74, 0), (0, 99)):
        changed = seen[0].copy()
        changed[:, :, row, column] += 1
        assert (network.levels(jt.array(changed)).table.numpy() != levels).any()
