"""Run lengths: worked by hand, and read by COCO's own decoder."""

import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths

from pipeline.datasets.photo_scenes.rle import encode_mask


def test_runs_go_down_the_columns_and_start_with_zeros():
    mask = np.array([[0, 1, 1], [0, 1, 0]], bool)
    assert encode_mask(mask) == {"size": [2, 3], "counts": [2, 3, 1]}
    assert encode_mask(~mask) == {"size": [2, 3], "counts": [0, 2, 3, 1]}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_cocos_decoder_finds_the_mask(rng, share):
    mask = rng.random((13, 7)) < share
    found = run_lengths.decode(run_lengths.frPyObjects(encode_mask(mask), 13, 7))
    np.testing.assert_array_equal(found, mask)
