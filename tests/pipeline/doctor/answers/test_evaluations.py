"""The known scores are scikit-learn's and pycocotools', and a wrong score is found."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from pipeline.doctor.answers import evaluations


@pytest.mark.parametrize("name", ["k-NN", "mIoU", "AP"])
def test_all_are_right(name):
    answer = evaluations.evaluation_tests()[name]()
    assert answer.name == name
    assert answer.ok, answer


def test_scikit_learn_gives_the_known_shares():
    queries, truth, bank, labels = evaluations.knn_data()
    for k, top1 in evaluations.KNN_TOP1.items():
        oracle = KNeighborsClassifier(
            k, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / evaluations.TEMPERATURE)
        ).fit(bank.astype(np.float64), labels)
        assert np.mean(oracle.predict(queries.astype(np.float64)) == truth) == pytest.approx(top1, abs=1e-9)
        assert 0.4 < top1 < 0.95, "neither all nor none are right"


def test_no_vote_is_so_close_that_rounding_decides():
    """Else a good machine could be called bad."""
    queries, _, bank, labels = (np.asarray(each, np.float64) for each in evaluations.knn_data())
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, bank)]
    cosines = units[0] @ units[1].T
    order = np.argsort(-cosines, axis=1)
    for k in evaluations.KS:
        sorted_cosines = np.take_along_axis(cosines, order, axis=1)
        assert (sorted_cosines[:, k - 1] - sorted_cosines[:, k]).min() > 1e-6
        votes = np.zeros((len(queries), 10))
        for place in range(k):
            row = order[:, place]
            weight = np.exp((sorted_cosines[:, place] - 1) / evaluations.TEMPERATURE)
            votes[np.arange(len(queries)), labels[row].astype(int)] += weight
        best = np.sort(votes, axis=1)
        assert ((best[:, -1] - best[:, -2]) / best[:, -1]).min() > 1e-5


def test_pycocotools_gives_the_known_precision():
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    assert evaluations.precision_by_pycocotools() == pytest.approx(evaluations.AP, abs=1e-9)
    assert evaluations.evaluation_tests()["AP beside pycocotools"]().ok
    assert 0.1 < evaluations.AP["ap"] < 0.9


def test_a_neighbour_search_that_misses_one_is_found(monkeypatch):
    from pipeline.evaluate import knn

    right = knn.nearest
    monkeypatch.setattr(
        knn,
        "nearest",
        lambda queries, bank, k, **named: [part[:, 1:] for part in right(queries, bank, k + 1, **named)],
    )
    answer = evaluations.evaluation_tests()["k-NN"]()
    assert not answer.ok
    assert "NumPy" in answer.remedy


def test_a_search_on_a_card_is_compared_with_the_processors(monkeypatch):
    """The device's sources, built for the processor; then as if they missed the nearest neighbour."""
    from pipeline.evaluate import neighbours
    from pipeline.evaluate.neighbour_tiles import on_card
    from tests.cuda_on_host.loading import host_library

    monkeypatch.setattr(on_card._State, "library", host_library())
    monkeypatch.setattr(evaluations, "SEARCHED", (3, 300, 16, 5))
    test = evaluations.evaluation_tests(on_card=True)["neighbours on the card"]
    answer = test()
    assert answer.ok
    assert answer.found == "0 of 30 rows and similarities differ from the processor's"
    right = neighbours.card.search
    monkeypatch.setattr(
        neighbours.card,
        "search",
        lambda queries, bank, blocks, centre, k, **named: [
            part[:, 1:] for part in right(queries, bank, blocks, centre, k + 1, **named)
        ],
    )
    assert not test().ok
    assert "neighbours on the card" not in evaluations.evaluation_tests()
