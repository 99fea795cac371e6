import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from pipeline.evaluate.knn import classify, cut_ks


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order].astype(np.float32), labels[order].astype(np.int64)


def test_digits_equal_scikit_learn(digits):
    images, labels = digits
    bank, queries = images[:1200], images[1200:]
    found = classify(queries, bank, labels[:1200], ks=(10, 20, 100, 200), temperature=0.07)
    for predictions in found:
        oracle = KNeighborsClassifier(
            predictions.k, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07)
        ).fit(bank, labels[:1200])
        np.testing.assert_array_equal(predictions.classes, oracle.predict(queries))
        votes = np.sort(oracle.predict_proba(queries), axis=1)[:, ::-1][:, :5]
        ranked = np.take_along_axis(oracle.predict_proba(queries), predictions.ranking, axis=1)
        np.testing.assert_allclose(ranked, votes, atol=1e-6)
    accuracies = [np.mean(predictions.classes == labels[1200:]) for predictions in found]
    assert accuracies[0] > 0.97
    assert accuracies[0] > accuracies[-1] > 0.94


def test_a_small_temperature_lets_the_nearest_decide_without_overflow():
    bank = np.array([[1, 0.1], [1, 0.4], [1, 0.5]])
    (predictions,) = classify(np.array([[1.0, 0.0]]), bank, np.array([1, 0, 0]), ks=(3,), temperature=1e-4)
    assert predictions.classes.tolist() == [1]
    (predictions,) = classify(np.array([[1.0, 0.0]]), bank, np.array([1, 0, 0]), ks=(3,), temperature=10)
    assert predictions.classes.tolist() == [0]


def test_equal_votes_go_to_the_lowest_class():
    bank = np.array([[1.0, 0.0], [1.0, 0.0]])
    (predictions,) = classify(np.array([[2.0, 0.0]]), bank, np.array([2, 1]), ks=(2,), temperature=0.07)
    assert predictions.ranking.tolist() == [[1, 2, 0]]


def test_a_k_above_the_bank_is_cut_and_not_repeated():
    assert cut_ks((200, 10, 20, 100), 15) == (10, 15)
    rng = np.random.default_rng(0)
    bank, labels = rng.random((15, 3)), np.arange(15) % 2
    found = classify(rng.random((2, 3)), bank, labels, ks=(10, 20, 200), temperature=0.07)
    assert [predictions.k for predictions in found] == [10, 15]


@pytest.mark.parametrize(
    ("num_queries", "labels", "message"),
    [
        (1, [0, -1, 1], "without a label"),
        (1, [0, 1], "one label each, got 3 and 2"),
        (0, [0, 1, 1], "no queries"),
    ],
)
def test_unusable_banks_are_refused(num_queries, labels, message):
    with pytest.raises(ValueError, match=message):
        classify(np.ones((num_queries, 2)), np.ones((3, 2)), np.array(labels), ks=(1,), temperature=0.07)
