import numpy as np
import pytest

from pipeline.evaluate.precision_resampling import (
    ImagePairs,
    class_precision,
    greedy_matches,
    matched,
    mean_over_classes,
)

THRESHOLDS = np.array([0.5, 0.75])
RECALLS = np.linspace(0, 1, 101)


def matches(ious, crowd):
    hit, on_crowd = greedy_matches(np.array(ious, float), np.array(crowd, bool), THRESHOLDS)
    return hit.astype(int).tolist(), on_crowd.astype(int).tolist()


def test_each_object_is_taken_once_by_the_best_scored():
    # Both overlap object 0 most; the second is left with object 1, which it overlaps by 0.6.
    assert matches([[0.8, 0.1], [0.9, 0.6]], [0, 0]) == ([[1, 1], [1, 0]], [[0, 0], [0, 0]])
    assert matches([[0.8], [0.9]], [0]) == ([[1, 0], [1, 0]], [[0, 0], [0, 0]])


def test_a_crowd_is_taken_by_many_and_only_by_what_finds_no_object():
    ious = [[0.6, 0.9], [0.1, 0.9], [0.2, 0.7]]
    assert matches(ious, [0, 1]) == ([[1, 0, 0], [0, 0, 0]], [[0, 1, 1], [1, 1, 0]])


def test_of_equal_overlaps_the_last_object_is_taken():
    # So the second detection, which overlaps only object 0, still finds it.
    assert matches([[0.8, 0.8], [0.8, 0.0]], [0, 0])[0] == [[1, 1], [1, 1]]


def test_a_full_overlap_counts_at_a_threshold_of_1():
    hit, _ = greedy_matches(np.ones((1, 1)), np.zeros(1, bool), np.array([1.0]))
    assert hit.tolist() == [[True]]


def test_nothing_to_match():
    for shape in ((0, 3), (3, 0), (0, 0)):
        hit, on_crowd = greedy_matches(np.zeros(shape), np.zeros(shape[1], bool), THRESHOLDS)
        assert hit.shape == on_crowd.shape == (2, shape[0])
        assert not hit.any()


def listed_precision(order, truths):
    """Average precision of a written-out list of +1 (hit), -1 (miss) and 0 (ignored), rank by rank."""
    points, hits, misses = [], 0, 0
    for outcome in order:
        hits, misses = hits + (outcome == 1), misses + (outcome == -1)
        points.append((hits / truths, hits / max(hits + misses, 1)))
    return np.mean([max([p for r, p in points if r >= recall], default=0) for recall in RECALLS])


@pytest.mark.parametrize("num_images", [1, 6])
def test_weights_equal_writing_everything_out(rng, num_images):
    pairs = []
    for image in range(num_images):
        num_detections, num_objects = rng.integers(0, 7, 2)
        pairs.append(
            ImagePairs(
                image,
                -np.sort(-rng.random(num_detections)),
                rng.random(num_objects) < 0.3,
                rng.random((num_detections, num_objects)),
            )
        )
    counts = rng.multinomial(num_images, np.full(num_images, 1 / num_images), size=20)
    found = class_precision([matched(pairs, num_images, THRESHOLDS)], counts, RECALLS)[:, :, 0]
    for row, values in zip(counts, found, strict=True):
        for index, threshold in enumerate(THRESHOLDS):
            written, truths = [], 0
            for pair, number in zip(pairs, row, strict=True):
                hit, ignored = greedy_matches(pair.ious, pair.crowd, np.array([threshold]))
                outcomes = np.where(hit[0], 1, np.where(ignored[0], 0, -1))
                written += number * list(zip(pair.scores.tolist(), outcomes.tolist(), strict=True))
                truths += number * np.count_nonzero(~pair.crowd)
            order = [outcome for _, outcome in sorted(written, key=lambda entry: -entry[0])]
            expected = listed_precision(order, truths) if truths else np.nan
            assert values[index] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_classes_that_a_resample_lacks_stay_out_of_its_mean():
    perfect = ImagePairs(0, np.array([0.9]), np.zeros(1, bool), np.ones((1, 1)))
    missed = ImagePairs(1, np.zeros(0), np.zeros(1, bool), np.zeros((0, 1)))
    classes = [matched([perfect], 2, THRESHOLDS), matched([missed], 2, THRESHOLDS)]
    counts = np.array([[1, 1], [2, 0], [0, 2], [0, 0]])
    of_classes = class_precision(classes, counts, RECALLS)
    np.testing.assert_allclose(of_classes[:, 0], [[1, 0], [1, np.nan], [np.nan, 0], [np.nan, np.nan]])
    found = mean_over_classes(of_classes)[:, 0].tolist()
    assert found == pytest.approx([0.5, 1, 0, np.nan], nan_ok=True)


def test_memory_comes_in_blocks(rng, monkeypatch):
    from pipeline.evaluate import precision_resampling

    pairs = [ImagePairs(i, -np.sort(-rng.random(5)), np.zeros(3, bool), rng.random((5, 3))) for i in range(9)]
    counts = rng.multinomial(9, np.full(9, 1 / 9), size=50)
    classes = [matched(pairs, 9, THRESHOLDS)]
    whole = class_precision(classes, counts, RECALLS)
    monkeypatch.setattr(precision_resampling, "_BLOCK_ELEMENTS", 100)
    assert np.array_equal(class_precision(classes, counts, RECALLS), whole)
