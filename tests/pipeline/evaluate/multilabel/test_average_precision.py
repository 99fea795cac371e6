"""Against scikit-learn, with ties, and on resamples written out as repeated images."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.evaluate.multilabel import average_precision as module
from pipeline.evaluate.multilabel.average_precision import (
    average_precision_replicates,
    average_precisions,
)


def made_up(rng, decimals):
    truth = rng.random((120, 4)) < [0.5, 0.1, 0.02, 0.95]
    truth[0] = True
    return truth, np.round(rng.random((120, 4)) + 0.3 * truth, decimals)


@pytest.mark.parametrize("decimals", [8, 1, 0])
def test_equals_scikit_learn(rng, decimals):
    truth, scores = made_up(rng, decimals)
    expected = [average_precision_score(truth[:, k], scores[:, k]) for k in range(4)]
    np.testing.assert_allclose(average_precisions(truth, scores), expected, atol=1e-12)


@pytest.mark.parametrize("decimals", [8, 1])
def test_resamples_equal_scikit_learn_on_repeated_images(rng, decimals, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", 8 * 120 * 4)  # four resamples at once, the last block shorter
    truth, scores = made_up(rng, decimals)
    counts = rng.multinomial(120, np.full(120, 1 / 120), 9).astype(np.int32)
    found = average_precision_replicates(truth, scores, counts)
    for drawn, of_drawn in zip(counts, found, strict=True):
        for k in range(4):
            there = np.repeat(truth[:, k], drawn)
            if not there.any():
                assert np.isnan(of_drawn[k])
                continue
            expected = average_precision_score(there, np.repeat(scores[:, k], drawn))
            assert of_drawn[k] == pytest.approx(expected, abs=1e-12)


def test_by_hand():
    # By falling score: hit, miss, hit: precision 1 at recall 1/2, 2/3 at recall 1.
    truth = np.array([[True], [False], [True]])
    assert average_precisions(truth, np.array([[3.0], [2.0], [1.0]]))[0] == pytest.approx((1 + 2 / 3) / 2)
    # All alike: one threshold takes in all, and its precision is the share of positives.
    assert average_precisions(truth, np.zeros((3, 1)))[0] == pytest.approx(2 / 3)


def test_a_class_without_a_positive_image_has_none():
    assert np.isnan(average_precisions(np.zeros((3, 1), bool), np.zeros((3, 1)))).all()


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="scores are not all finite"):
        average_precisions(np.ones((2, 1), bool), np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match="do not agree"):
        average_precisions(np.ones((2, 1), bool), np.ones((2, 2)))
