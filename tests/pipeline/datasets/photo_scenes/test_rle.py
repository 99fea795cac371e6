"""Run lengths: worked by hand, and there and back."""

import numpy as np
import pytest

from pipeline.datasets.photo_scenes.rle import decode_mask, encode_mask


def test_runs_go_down_the_columns_and_start_with_zeros():
    mask = np.array([[0, 1, 1], [0, 1, 0]], bool)
    assert encode_mask(mask) == {"size": [2, 3], "counts": [2, 3, 1]}
    assert encode_mask(~mask) == {"size": [2, 3], "counts": [0, 2, 3, 1]}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_decoding_undoes_encoding(rng, share):
    mask = rng.random((13, 7)) < share
    np.testing.assert_array_equal(decode_mask(encode_mask(mask)), mask)


def test_runs_that_do_not_fill_the_mask_are_refused():
    with pytest.raises(ValueError, match="add up to 5 pixels, expected 2 x 3"):
        decode_mask({"size": [2, 3], "counts": [2, 3]})
