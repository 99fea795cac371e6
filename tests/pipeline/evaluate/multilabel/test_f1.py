"""Against scikit-learn, and thresholds against trying every one."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from pipeline.evaluate.multilabel.f1 import chosen_thresholds, f1_replicates


@pytest.fixture
def made_up(rng):
    truth = rng.random((90, 4)) < [0.5, 0.2, 0.05, 0.9]
    truth[0] = True
    return truth, np.round(rng.random((90, 4)) + 0.4 * truth, 2)


def test_thresholds_are_the_best_of_all(made_up):
    truth, scores = made_up
    found = chosen_thresholds(truth, scores)
    for k in range(4):
        tried = {t: f1_score(truth[:, k], scores[:, k] >= t) for t in np.unique(scores[:, k])}
        best = max(tried.values())
        assert found.of_classes[k] == max(t for t, value in tried.items() if value >= best - 1e-12)
    tried = {t: f1_score(truth, scores >= t, average="micro") for t in np.unique(scores)}
    assert tried[found.common] == pytest.approx(max(tried.values()))


def test_a_class_without_a_positive_validation_image_takes_the_common_threshold(made_up):
    truth, scores = made_up
    truth[:, 2] = False
    found = chosen_thresholds(truth, scores)
    assert found.of_classes[2] == found.common
    with pytest.raises(ValueError, match="a validation image with a class"):
        chosen_thresholds(np.zeros_like(truth), scores)


def test_resamples_equal_scikit_learn_on_repeated_images(made_up, rng):
    truth, scores = made_up
    predicted = scores >= [0.6, 0.7, 2.0, 0.1]  # the third class is never predicted
    counts = np.vstack([np.ones(90, int), rng.multinomial(90, np.full(90, 1 / 90), 70)])
    of_class, micro = f1_replicates(truth, predicted, counts)
    for drawn, found, one in zip(counts, of_class, micro, strict=True):
        there, claimed = np.repeat(truth, drawn, axis=0), np.repeat(predicted, drawn, axis=0)
        expected = f1_score(there, claimed, average=None, zero_division=0)
        known = there.any(axis=0)
        np.testing.assert_allclose(found[known], expected[known], atol=1e-12)
        assert np.isnan(found[~known]).all()
        assert one == pytest.approx(f1_score(there, claimed, average="micro", zero_division=0), abs=1e-12)
