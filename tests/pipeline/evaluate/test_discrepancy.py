import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.stats import entropy

from pipeline.evaluate.discrepancy import cka_distance, cosine_distance, kl_divergence


def gram_cka(x, y):
    """Linear CKA by Gram matrices and their centring, the other way to write it."""
    center = np.eye(len(x)) - 1 / len(x)
    k, m = center @ x @ x.T @ center, center @ y @ y.T @ center
    return np.sum(k * m) / np.sqrt(np.sum(k * k) * np.sum(m * m))


def test_cka_equals_its_gram_form(rng):
    x, y = rng.normal(size=(30, 5)) + 3, rng.normal(size=(30, 8))
    y[:, :5] += x
    assert cka_distance(x, y) == pytest.approx(1 - gram_cka(x, y), abs=1e-12)
    assert cka_distance(x, y) == pytest.approx(cka_distance(y, x), abs=1e-12)


def test_cka_ignores_rotation_scale_and_shift(rng):
    x = rng.normal(size=(40, 6))
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    assert cka_distance(x, 5 * x @ rotation + 2) == pytest.approx(0, abs=1e-12)
    assert cka_distance(x, rng.normal(size=(40, 6))) > 0.5


def test_cosine_and_kl_equal_scipy(rng):
    a, b = rng.normal(size=(12, 7)), rng.normal(size=(12, 7))
    assert cosine_distance(a, b) == pytest.approx(
        np.mean([cosine(x, y) / 2 for x, y in zip(a, b, strict=True)])
    )
    p, q = (np.exp(z / 0.1) / np.exp(z / 0.1).sum(axis=1, keepdims=True) for z in (a, b))
    assert kl_divergence(a, b, 0.1) == pytest.approx(entropy(p, q, axis=1).mean())
    assert kl_divergence(a, a + 3, 0.1) == pytest.approx(0, abs=1e-12)


def test_what_does_not_exist_is_refused(rng):
    with pytest.raises(ValueError, match="found 3 and 4"):
        cka_distance(rng.normal(size=(3, 2)), rng.normal(size=(4, 2)))
    with pytest.raises(ValueError, match="does not exist"):
        cka_distance(np.ones((3, 2)), rng.normal(size=(3, 2)))
    with pytest.raises(ValueError, match="does not exist"):  # equal but for rounding
        cka_distance(1 + 1e-7 * rng.normal(size=(3, 2)), rng.normal(size=(3, 2)))
    with pytest.raises(ValueError, match="is zero"):
        cosine_distance(np.zeros((2, 2)), np.ones((2, 2)))
