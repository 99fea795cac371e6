import numpy as np

from pipeline.measures.class_replicates import read_class_replicates, write_class_replicates


def test_what_is_written_is_read_and_the_rest_is_none(tmp_path):
    assert read_class_replicates(tmp_path, "iou") is None
    write_class_replicates(tmp_path, {"iou": np.array([[0.25, np.nan], [0.5, 1.0]])})
    np.testing.assert_array_equal(read_class_replicates(tmp_path, "iou"), [[0.25, np.nan], [0.5, 1.0]])
    assert read_class_replicates(tmp_path, "box_ap") is None
