import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

from pipeline.evaluate.multilabel.logistic import fitted_classes


def test_equals_scikit_learns_one_against_the_rest(rng):
    features = rng.standard_normal((200, 8)).astype(np.float32) * 3 + 1
    classes = features @ rng.standard_normal((8, 3)) + 2 * rng.standard_normal((200, 3)) > [0, 3, 6]
    fits = list(fitted_classes(features, classes, (1.0, 0.1), 1000))
    assert [fit.inverse_strength for fit in fits] == [0.1, 1.0]
    standardised = StandardScaler().fit_transform(features)
    for fit in fits:
        model = OneVsRestClassifier(LogisticRegression(C=fit.inverse_strength, max_iter=1000, tol=1e-6))
        expected = model.fit(standardised, classes).decision_function(standardised)
        np.testing.assert_allclose(fit.scores(features), expected, atol=5e-3 * np.abs(expected).max())
        assert fit.num_unfinished == 0


def test_a_class_that_training_images_all_have_or_all_lack_scores_all_alike(rng):
    classes = np.zeros((30, 3), bool)
    classes[:, 0] = True
    classes[:15, 1] = True
    (fit,) = fitted_classes(rng.standard_normal((30, 4)), classes, (1.0,), 100)
    scores = fit.scores(rng.standard_normal((5, 4)))
    assert (scores[:, [0, 2]] == 0).all()
    assert np.ptp(scores[:, 1]) > 0


def test_what_has_not_converged_is_counted(rng):
    classes = rng.random((60, 2)) < 0.5
    (fit,) = fitted_classes(rng.standard_normal((60, 10)), classes, (100.0,), 1)
    assert fit.num_unfinished == 2
