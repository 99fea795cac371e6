import numpy as np
import pytest

from pipeline.datasets.targets import IGNORED
from pipeline.segmentation.samples import (
    SegmentedSample,
    image_score,
    read_class_map,
    read_scores,
    write_samples,
)


def test_the_score_is_the_mean_iou_of_what_is_there_or_predicted():
    truth = np.array([[0, 0, 1, IGNORED]])
    # Class 0: 1 of 2; class 1: 1 of 2; class 3 is neither there nor predicted.
    assert image_score(truth, np.array([[0, 1, 1, 2]]), 4) == pytest.approx(0.5)
    assert image_score(truth, np.array([[0, 0, 2, 0]]), 4) == pytest.approx(1 / 3)
    assert np.isnan(image_score(np.full((2, 2), IGNORED), np.zeros((2, 2), int), 4))


def test_samples_come_back_as_they_were(tmp_path):
    maps = [np.array([[0, 300]]), np.ones((3, 2), int)]
    written = [SegmentedSample(7, 0.25, maps[0]), SegmentedSample(9, float("nan"), maps[1])]
    write_samples(tmp_path / "samples.npz", written)
    assert read_scores(tmp_path / "samples.npz") == {7: 0.25}
    np.testing.assert_array_equal(read_class_map(tmp_path / "samples.npz", 7), maps[0])
    np.testing.assert_array_equal(read_class_map(tmp_path / "samples.npz", 9), maps[1])
