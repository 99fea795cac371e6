import csv

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as sklearn_confusion

from pipeline.measures.confusion import confusion_matrix, per_class_accuracy, write_confusion


def test_equals_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 6, (2, 500))
    found = confusion_matrix(labels, predictions, 6)
    np.testing.assert_array_equal(found, sklearn_confusion(labels, predictions, labels=range(6)))


def test_a_class_without_images_has_no_accuracy():
    found = confusion_matrix(np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1]), 3)
    np.testing.assert_array_equal(per_class_accuracy(found), [0.5, 1.0, np.nan])


def test_classes_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"predictions 0\.\.3 leave 0\.\.2"):
        confusion_matrix(np.array([0, 1]), np.array([0, 3]), 3)
    with pytest.raises(ValueError, match="equal vectors"):
        confusion_matrix(np.array([0, 1]), np.array([0]), 3)


def test_the_file_names_the_classes(tmp_path):
    write_confusion(tmp_path / "confusion.csv", np.array([[3, 1], [0, 2]]), ["cat", "dog, small"])
    with open(tmp_path / "confusion.csv", newline="") as stream:
        assert [row[1:] for row in csv.reader(stream)] == [["cat", "dog, small"], ["3", "1"], ["0", "2"]]
