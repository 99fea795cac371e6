import numpy as np

from pipeline.datasets.targets import IGNORED
from pipeline.segmentation.position import most_frequent_classes, resized


def test_each_quarter_gets_the_class_that_is_most_frequent_there():
    quarters = ([[0, 1], [2, 2]], [[0, 2], [1, 2]], [[1, 2], [1, IGNORED]])
    sizes = zip((32, 3, 70), quarters, strict=True)
    maps = [np.kron(np.array(each), np.ones((side, 64), int)) for side, each in sizes]
    classes = most_frequent_classes(maps, 3)
    # Upper left 0 twice; upper right 2 twice; lower left 1 twice; lower right 2 twice, and once ignored.
    np.testing.assert_array_equal(classes, np.kron([[0, 2], [1, 2]], np.ones((32, 32), int)))


def test_of_equals_the_lowest_and_where_nothing_is_labelled_the_most_frequent_of_all():
    left = np.full((64, 64), IGNORED)
    left[:, :32], right = 2, left.copy()
    right[:, :32] = 1
    right[:8, :32] = 2
    classes = most_frequent_classes([left, right], 4)
    assert (classes[:8, :32] == 2).all()
    assert (classes[8:, :32] == 1).all(), "2 once and 1 once: the lower"
    assert (classes[:, 32:] == 2).all()


def test_a_map_is_resized_by_the_label_at_the_middle_of_each_pixel():
    np.testing.assert_array_equal(resized(np.array([[1, 2, 3]]), 2, 6), [[1, 1, 2, 2, 3, 3]] * 2)
    np.testing.assert_array_equal(resized(np.arange(6)[None], 1, 2), [[1, 4]])
