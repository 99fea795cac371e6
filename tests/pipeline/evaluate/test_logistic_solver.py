import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from pipeline.evaluate import logistic_solver as module
from pipeline.evaluate.logistic_solver import LogisticLoss, has_block_for_each_class, minimum


def correlated(num_images, num_channels, num_classes):
    """Features of which some are nearly combinations of others, as those of a network are; labels."""
    rng = np.random.default_rng(num_images + num_channels + num_classes)
    labels = np.arange(num_images) % num_classes
    centres = rng.standard_normal((num_classes, num_channels))
    mixing = rng.standard_normal((num_channels, num_channels)) * np.geomspace(1, 0.01, num_channels)[:, None]
    features = (centres[labels] + 1.5 * rng.standard_normal((num_images, num_channels))) @ mixing
    return (features - features.mean(axis=0)) / features.std(axis=0), labels


def objective(weights, features, labels, strength):
    """scikit-learn's objective over n, in float64, image by image; of two classes the first has logit 0."""
    logits = features @ weights[:, :-1].T + weights[:, -1]
    if len(weights) == 1:
        logits = np.column_stack((np.zeros(len(logits)), logits))
    losses = logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]
    return losses.mean() + (weights[:, :-1] ** 2).sum() / (2 * strength * len(features))


@pytest.mark.parametrize("num_classes", [2, 3, 7])
@pytest.mark.parametrize("block_bytes", [2**9, 2**20])
def test_loss_and_gradient_equal_the_definition(num_classes, block_bytes, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)
    features, labels = correlated(50, 4, num_classes)
    loss = LogisticLoss(features, labels, num_classes)
    loss.penalty = 1 / (0.3 * 50)
    weights = np.random.default_rng(0).standard_normal((loss.num_vectors, 5))
    value, gradient = loss(weights)
    assert value == pytest.approx(objective(weights, features, labels, 0.3), rel=1e-12)
    found = approx_fprime(
        weights.ravel(), lambda w: objective(w.reshape(weights.shape), features, labels, 0.3)
    )
    np.testing.assert_allclose(gradient.ravel(), found, atol=1e-6)


def test_logits_that_overflow_are_no_matter():
    features, labels = correlated(20, 3, 3)
    loss = LogisticLoss(1e5 * features, labels, 3)
    value, gradient = loss(np.ones((3, 4)) * [[1], [2], [-3]])
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


# Images, channels, classes.
SHAPES = [(2000, 20, 6), (100, 60, 15), (800, 30, 2), (30, 50, 3)]


def test_these_shapes_are_of_both_kinds():
    assert [has_block_for_each_class(n, d, 1 if k == 2 else k) for n, d, k in SHAPES] == [
        True, False, True, False
    ]  # fmt: skip


@pytest.mark.parametrize("strength", [0.01, 1.0, 10.0])
@pytest.mark.parametrize(("num_images", "num_channels", "num_classes"), SHAPES)
def test_the_minimum_is_that_of_another_solver(num_images, num_channels, num_classes, strength):
    features, labels = correlated(num_images, num_channels, num_classes)
    oracle = LogisticRegression(C=strength, solver="newton-cg", tol=1e-9, max_iter=10_000)
    oracle.fit(features, labels)
    exact = np.column_stack((oracle.coef_, oracle.intercept_))
    loss = LogisticLoss(features, labels, num_classes)
    loss.penalty = 1 / (strength * num_images)
    found = minimum(loss, np.zeros_like(exact), max_iterations=1000)
    assert found.converged
    least, reached = (objective(weights, features, labels, strength) for weights in (exact, found.weights))
    assert least - 1e-9 <= reached <= least + 2e-5
    assert np.abs(loss(found.weights)[1]).max() <= 1e-5
    default = LogisticRegression(C=strength, max_iter=10_000).fit(features, labels)
    by_default = objective(np.column_stack((default.coef_, default.intercept_)), features, labels, strength)
    assert reached <= by_default + 1e-6


def test_fewer_evaluations_than_in_the_weights_own_coordinates():
    features, labels = correlated(3000, 40, 5)
    loss = LogisticLoss(features, labels, 5)
    loss.penalty = 1 / (10.0 * 3000)
    found = minimum(loss, np.zeros((5, 41)), max_iterations=1000)
    plain = LogisticRegression(C=10.0, tol=1e-5, max_iter=10_000).fit(features, labels)
    assert found.iterations < plain.n_iter_.max() / 3


def test_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 2**12)
    features, labels = correlated(900, 10, 4)
    loss = LogisticLoss(features, labels, 4)
    loss.penalty = 1e-3
    found = [minimum(loss, np.zeros((4, 11)), max_iterations=50, num_threads=n).weights for n in (1, 3)]
    np.testing.assert_array_equal(*found)


def test_a_search_that_is_cut_short_is_not_converged():
    features, labels = correlated(200, 8, 3)
    loss = LogisticLoss(features, labels, 3)
    found = minimum(loss, np.zeros((3, 9)), max_iterations=2)
    assert found.iterations == 2
    assert not found.converged
