import numpy as np
import pytest

from pipeline.dense_probes.patch_boxes import box_around, centered_box, component_of

MARKED = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 1, 0]], bool)


def test_components_join_sides_and_not_corners():
    assert component_of(MARKED, 1).tolist() == [[True, True, False, False], [False] * 4, [False] * 4]
    assert np.flatnonzero(component_of(MARKED, 6)).tolist() == [6, 9, 10]
    with pytest.raises(ValueError, match="patch 3 is not marked"):
        component_of(MARKED, 3)


def test_a_box_is_tight_and_in_pixels_of_the_image():
    # 3 x 4 patches on 60 x 200 pixels: 20 high, 50 wide.
    assert box_around(component_of(MARKED, 6), height=60, width=200).tolist() == [50, 20, 150, 60]
    assert box_around(MARKED, height=60, width=200).tolist() == [0, 0, 150, 60]


def test_the_centred_box_has_its_share_of_both_sides():
    assert centered_box(0.5, height=40, width=100).tolist() == [25, 10, 75, 30]
    assert centered_box(1.0, height=40, width=100).tolist() == [0, 0, 100, 40]
