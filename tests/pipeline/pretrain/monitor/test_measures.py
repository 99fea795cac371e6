"""Measures beside their definitions, written out with loops and numbers worked out by hand."""

import math

import numpy as np
import pytest

from pipeline.pretrain.monitor.measures import alignment, knn_top1, rank_me, uniformity


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_rankme_of_directions_of_equal_length_is_their_number():
    assert rank_me(np.eye(6)[:, :4] * 3) == pytest.approx(4, rel=1e-4)
    assert rank_me(np.ones((5, 3))) == pytest.approx(1, rel=1e-4)
    assert rank_me(np.zeros((5, 3))) == pytest.approx(1, abs=1e-4)
    # Singular values 3 and 1: shares 3/4 and 1/4, entropy ln 4 - 3/4 ln 3.
    assert rank_me(np.diag([3.0, 1.0])) == pytest.approx(4 / 3**0.75, rel=1e-4)


def test_rankme_by_eigenvalues(rng):
    features = rng.normal(size=(40, 9)) * np.arange(1, 10)
    roots = np.sqrt(np.linalg.eigvalsh(features.T @ features))
    shares = roots / roots.sum()
    expected = math.exp(-sum(p * math.log(p) for p in shares))
    assert rank_me(features.astype(np.float32)) == pytest.approx(expected, rel=1e-5)


def test_alignment_and_uniformity_by_loops(rng):
    first, second = rng.normal(size=(2, 7, 5))
    unit = [[v / math.sqrt(sum(v**2)) for v in side] for side in (first, second)]
    expected = sum(sum((a - b) ** 2) for a, b in zip(*unit, strict=True)) / 7
    assert alignment(first, second) == pytest.approx(expected)
    pairs = [math.exp(-2 * sum((unit[0][i] - unit[0][j]) ** 2)) for i in range(7) for j in range(7) if i < j]
    assert uniformity(first) == pytest.approx(math.log(sum(pairs) / 21))


def test_ends_of_alignment_and_uniformity(rng):
    features = rng.normal(size=(5, 4))
    assert alignment(features, 3 * features) == pytest.approx(0, abs=1e-12)
    assert alignment(features, -features) == pytest.approx(4)
    assert uniformity(np.ones((5, 4))) == pytest.approx(0, abs=1e-9)
    assert uniformity(np.array([[1.0, 0], [-2.0, 0]])) == pytest.approx(-8)


def test_knn_counts_weighted_votes():
    bank = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-0.1, 1.0], [-0.2, 1.0]])
    labels = np.array([0, 0, 1, 1, 1])
    queries, truth = np.array([[1.0, 0.05], [0.05, 1.0], [0.02, 1.0]]), np.array([0, 1, 0])
    # With all five as voters the two close ones outweigh the three that stand at a right angle.
    assert knn_top1(queries, truth, bank, labels, k=20) == pytest.approx(2 / 3)
