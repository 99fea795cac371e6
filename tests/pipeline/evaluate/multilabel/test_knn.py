import numpy as np
import pytest

from pipeline.evaluate.knn import classify
from pipeline.evaluate.multilabel import knn as module
from pipeline.evaluate.multilabel.knn import vote_shares


def test_shares_equal_a_loop_over_queries(rng, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", 8 * 20 * 3 * 4)  # a few queries at once
    queries, bank = rng.standard_normal((17, 6)), rng.standard_normal((40, 6))
    classes = (rng.random((40, 3)) < 0.4).astype(np.int8)
    found = vote_shares(queries, bank, classes, ks=(1, 5, 20, 99), temperature=0.07)
    assert list(found) == [1, 5, 20, 40]
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, bank)]
    cosines = units[0] @ units[1].T
    for k, shares in found.items():
        for cosine, share in zip(cosines, shares, strict=True):
            near = np.argsort(-cosine)[:k]
            weights = np.exp(cosine[near] / 0.07)
            np.testing.assert_allclose(share, weights @ classes[near] / weights.sum(), rtol=2e-5, atol=1e-7)


def test_with_one_class_each_the_highest_share_is_the_class_of_the_usual_vote(rng):
    queries, bank = rng.standard_normal((50, 6)), rng.standard_normal((60, 6))
    labels = rng.integers(0, 4, 60)
    shares = vote_shares(queries, bank, np.eye(4, dtype=np.int8)[labels], ks=(5,), temperature=0.07)[5]
    (voted,) = classify(queries, bank, labels, ks=(5,), temperature=0.07)
    np.testing.assert_array_equal(shares.argmax(axis=1), voted.classes)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)


def test_classes_of_another_number_of_images_are_refused():
    with pytest.raises(ValueError, match="expected queries, and rows with classes"):
        vote_shares(np.ones((1, 2)), np.ones((3, 2)), np.ones((2, 2)), ks=(1,), temperature=1.0)
