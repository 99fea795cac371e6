import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from pipeline.dense_probes.attention_masks import attention_masks, best_jaccard


def test_the_fewest_patches_that_hold_the_mass():
    attention = np.array([[[5, 3], [1, 1]], [[0.2, 0.2], [0.0, 1.6]]])
    # Head 0: 5 of 10 is too little, 8 of 10 holds 60 %. Head 1: one patch holds 80 %.
    assert attention_masks(attention, 0.6).tolist() == [
        [[True, True], [False, False]],
        [[False, False], [False, True]],
    ]


def test_all_of_the_mass_leaves_out_what_gets_none():
    assert attention_masks(np.array([[[0.0, 2.0, 1.0]]]), 1.0).tolist() == [[[False, True, True]]]


def test_scale_does_not_matter(rng):
    attention = rng.random((3, 7, 5))
    np.testing.assert_array_equal(attention_masks(attention, 0.6), attention_masks(attention * 1e-3, 0.6))


@pytest.mark.parametrize("size", [(12, 20), (13, 17)])
def test_the_best_head_equals_scikit_learn(rng, size):
    kept, foreground = rng.random((3, 4, 5)) < 0.5, rng.random(size) < 0.4
    iou, head = best_jaccard(kept, foreground)
    rows = (np.arange(size[0]) + 0.5) * 4 / size[0]
    columns = (np.arange(size[1]) + 0.5) * 5 / size[1]
    scores = [
        jaccard_score(foreground.ravel(), mask[rows.astype(int)][:, columns.astype(int)].ravel())
        for mask in kept
    ]
    assert iou == pytest.approx(max(scores))
    assert head == int(np.argmax(scores))


def test_a_mask_that_is_the_object_has_1_and_an_empty_foreground_0():
    kept = np.zeros((1, 2, 2), bool)
    kept[0, 1, 0] = True
    foreground = np.zeros((8, 8), bool)
    assert best_jaccard(kept, foreground)[0] == 0
    foreground[4:, :4] = True
    assert best_jaccard(kept, foreground)[0] == 1
