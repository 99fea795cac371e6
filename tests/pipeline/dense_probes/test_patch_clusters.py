from itertools import permutations

import numpy as np
import pytest

from pipeline.dense_probes.patch_clusters import fit_clusters, match_clusters, unit_rows


def test_planted_directions_are_found_whatever_the_lengths(rng):
    labels = rng.integers(0, 3, 200)
    tokens = (np.eye(3, 5)[labels] + 0.05 * rng.normal(size=(200, 5))) * rng.uniform(0.1, 10, (200, 1))
    clusters = fit_clusters(tokens.astype(np.float32), 3)
    found = clusters.scores(tokens.astype(np.float32)).argmax(axis=1)
    confusion = np.array([[np.sum((labels == i) & (found == j)) for j in range(3)] for i in range(3)])
    np.testing.assert_array_equal(match_clusters(confusion)[found], labels)


def test_the_highest_score_is_the_nearest_centre(rng):
    tokens = rng.normal(size=(100, 4)).astype(np.float32)
    clusters = fit_clusters(tokens, 7)
    distances = ((unit_rows(tokens)[:, None] - clusters.centers) ** 2).sum(axis=2)
    np.testing.assert_array_equal(clusters.scores(tokens).argmax(axis=1), distances.argmin(axis=1))
    np.testing.assert_array_equal(fit_clusters(tokens, 7).centers, clusters.centers)


def test_a_collapsed_backbone_and_few_patches_are_no_fault():
    assert len(fit_clusters(np.ones((9, 4), np.float32), 3).centers) == 3
    assert len(fit_clusters(np.eye(2, 4, dtype=np.float32), 3).centers) == 2


@pytest.mark.parametrize("num_clusters", [4, 3])
def test_the_match_is_the_best_of_all(rng, num_clusters):
    confusion = rng.integers(0, 50, size=(4, num_clusters))
    names = match_clusters(confusion)

    def sum_of_iou(classes):
        inside = confusion[list(classes), range(num_clusters)]
        union = confusion.sum(axis=1)[list(classes)] + confusion.sum(axis=0) - inside
        return (inside / union).sum()

    assert sum_of_iou(names) == pytest.approx(max(map(sum_of_iou, permutations(range(4), num_clusters))))


def test_zero_rows_stay_zero():
    np.testing.assert_array_equal(
        unit_rows(np.array([[0, 0], [3, 4]], np.float32)), np.array([[0, 0], [0.6, 0.8]], np.float32)
    )
