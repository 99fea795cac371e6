import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.evaluate.logistic import fit_logistic


def noisy_classes(num_images, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, num_images)
    centres = np.random.default_rng(99).standard_normal((3, 40))
    scales = np.geomspace(0.01, 100, 40)
    return ((centres[labels] + 3 * rng.standard_normal((num_images, 40))) * scales).astype(np.float32), labels


def test_equals_scikit_learn_on_standardised_features_at_the_best_c():
    train, validation, test = (noisy_classes(n, seed) for n, seed in ((150, 0), (300, 1), (400, 2)))
    strengths = (1e-4, 1e-2, 1.0, 100.0)
    fitted = fit_logistic(train, validation, inverse_strengths=strengths, max_iterations=500, num_threads=1)
    mean, std = train[0].astype(float).mean(axis=0), train[0].astype(float).std(axis=0)
    oracles = [
        LogisticRegression(C=c, max_iter=2000).fit((train[0] - mean) / std, train[1]) for c in strengths
    ]
    accuracies = [oracle.score((validation[0] - mean) / std, validation[1]) for oracle in oracles]
    best = int(np.argmax(accuracies))
    assert sorted(accuracies)[-2] < accuracies[best] - 1 / 100  # no rounding decides
    assert fitted.inverse_strength == strengths[best]
    agreement = np.mean(fitted.predict(test[0]) == oracles[best].predict((test[0] - mean) / std))
    assert agreement > 0.99
    assert fitted.converged


def test_too_few_iterations_are_said_and_not_raised():
    fitted = fit_logistic(
        noisy_classes(150, 0), None, inverse_strengths=(100.0,), max_iterations=1, num_threads=1
    )
    assert not fitted.converged
    assert fitted.predict(noisy_classes(5, 3)[0]).shape == (5,)


def test_without_validation_the_default_strength_is_taken():
    fitted = fit_logistic(
        noisy_classes(60, 0), None, inverse_strengths=(0.01, 1.0, 10.0), max_iterations=200, num_threads=1
    )
    assert fitted.inverse_strength == 1.0


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="two classes"):
        fit_logistic(
            (np.ones((4, 2)), np.zeros(4, int)),
            None,
            inverse_strengths=(1.0,),
            max_iterations=10,
            num_threads=1,
        )
