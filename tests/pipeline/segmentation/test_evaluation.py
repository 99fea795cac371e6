"""Predictions of a made-up network that reads the class off the colour."""

import numpy as np
import pytest

from pipeline.segmentation import evaluation
from pipeline.segmentation.evaluation import Predictor

ZEROS, ONES = np.zeros(3, np.float32), np.ones(3, np.float32)


class ByColour:
    """Logits: closeness to the red of each class. Keeps the sizes that it was given."""

    def __init__(self):
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(images.shape)
        reds = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1) * 60 / 255
        return -np.abs(images[:, :1] - reds)


def predicted(dataset, view, num_threads=2):
    network = ByColour()
    predictor = Predictor(network, view, ZEROS, ONES, num_classes=4)
    return list(predictor.predictions(dataset, dataset.indices("test"), num_threads)), network.shapes


@pytest.mark.parametrize("view", [{"inference": "whole"}, {"inference": "slide", "stride": 15}])
def test_t1_t11_class_maps_have_the_labels_own_size(in_memory, configured, view):
    """T1, T11: every pixel of images of many sizes gets its class, in order."""
    dataset = in_memory([(20, 33), (20, 20), (20, 40), (20, 40)])
    found, _ = predicted(dataset, configured(**view).view)
    assert [prediction.row for prediction in found] == [0, 1, 2, 3]
    for prediction in found:
        assert np.array_equal(prediction.truth, dataset.label_map(prediction.row))
        assert np.array_equal(prediction.class_map, prediction.truth)


def test_enlarged_images_are_scored_at_their_own_resolution(in_memory, configured):
    dataset = in_memory([(10, 14)])
    found, shapes = predicted(dataset, configured(resize=(40, 100)).view)
    assert shapes == [(1, 3, 40, 56)]
    assert np.mean(found[0].class_map == found[0].truth) > 0.9


def test_t4_only_images_of_one_size_share_a_batch(in_memory, configured, monkeypatch):
    """T4: no image is padded because of its neighbours."""
    dataset = in_memory([(20, 30)] * 3 + [(20, 40)] + [(20, 30)] * 2)
    _, shapes = predicted(dataset, configured().view)
    assert [shape[0] for shape in shapes] == [3, 1, 2]
    monkeypatch.setattr(evaluation, "_LOGIT_BYTES", 2 * 4 * 4 * 20 * 30)
    _, shapes = predicted(dataset, configured().view)
    assert [shape[0] for shape in shapes] == [2, 1, 1, 2]


def test_few_bytes_go_one_image_at_a_time(in_memory, configured, monkeypatch):
    monkeypatch.setattr(evaluation, "_LOGIT_BYTES", 1)
    _, shapes = predicted(in_memory([(20, 30)] * 2), configured().view, num_threads=1)
    assert [shape[0] for shape in shapes] == [1, 1]
