import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from pipeline.dense_probes.label_pairs import joined_pairs, pairs_of_image


def test_the_hand_case_of_one_image():
    """T8: ignored pixels are dropped first; the pairs of the hand case."""
    truth = np.array([[0, 0, 1, -1], [0, 2, 2, -1]], np.int16)
    predicted = np.array([[0, 1, 1, 3], [0, 2, 1, 2]])
    pairs = pairs_of_image(truth, predicted, 5)
    assert pairs.tolist() == [[0, 0, 2], [0, 1, 1], [1, 1, 1], [2, 1, 1], [2, 2, 1]]
    right, of_prediction, of_truth = np.moveaxis(joined_pairs([pairs]).areas(1, 5), 1, 0)
    assert right.tolist() == [[2, 1, 1, 0, 0]]
    assert of_prediction.tolist() == [[2, 3, 1, 0, 0]]
    assert of_truth.tolist() == [[3, 1, 2, 0, 0]]


@pytest.mark.parametrize("num_classes", [3, 40])  # fewer and more cells than pixels
def test_many_images_equal_scikit_learn(rng, num_classes):
    truths = rng.integers(-1, num_classes, (4, 6, 9)).astype(np.int16)
    truths[2] = -1
    predictions = rng.integers(0, num_classes, (4, 6, 9))
    pairs = joined_pairs(
        [pairs_of_image(truth, found, num_classes) for truth, found in zip(truths, predictions, strict=True)]
    )
    known = truths >= 0
    oracle = confusion_matrix(truths[known], predictions[known], labels=np.arange(num_classes))
    np.testing.assert_array_equal(pairs.confusion(num_classes), oracle)
    right, of_prediction, of_truth = np.moveaxis(pairs.areas(4, num_classes), 1, 0)
    assert right.shape == (4, num_classes)
    assert not of_truth[2].any()
    np.testing.assert_array_equal(right.sum(axis=0), np.diagonal(oracle))
    np.testing.assert_array_equal(of_prediction.sum(axis=0), oracle.sum(axis=0))
    np.testing.assert_array_equal(of_truth.sum(axis=0), oracle.sum(axis=1))


def test_renamed_predictions():
    pairs = joined_pairs([pairs_of_image(np.array([[0, 1]]), np.array([[1, 0]]), 2)])
    assert pairs.renamed(np.array([1, 0])).confusion(2).tolist() == [[1, 0], [0, 1]]


def test_no_image_at_all():
    assert joined_pairs([]).areas(0, 3).shape == (0, 3, 3)
