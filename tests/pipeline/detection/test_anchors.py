import math

import numpy as np

from pipeline.detection.anchors import grid_anchors


def test_order_centres_and_shapes():
    anchors = grid_anchors((2, 3), stride=8, scale=4, ratios=(0.5, 1.0, 2.0))
    assert anchors.dtype == np.float32
    expected = []
    for row in range(2):
        for column in range(3):
            for ratio in (0.5, 1.0, 2.0):
                width, height = 32 / math.sqrt(ratio), 32 * math.sqrt(ratio)
                x, y = 8 * column + 4, 8 * row + 4
                expected.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    assert np.allclose(anchors, expected, atol=1e-5)


def test_a_ratio_is_height_over_width():
    tall = grid_anchors((1, 1), 16, 8, (2.0,))[0]
    assert tall[3] - tall[1] > tall[2] - tall[0]


def test_an_empty_map_has_no_anchors():
    assert grid_anchors((0, 5), 4, 8, (1.0,)).shape == (0, 4)
