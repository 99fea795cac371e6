"""mIoU against a hand case, scikit-learn, and resamples taken one by one."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score, recall_score

from pipeline.datasets.targets import IGNORED
from pipeline.evaluate.mean_iou import (
    SegmentationCounts,
    class_accuracy,
    class_areas,
    class_iou,
    set_scores,
)
from pipeline.measures.intervals.resamples import resample_counts


def counted(pairs, num_classes):
    counts = SegmentationCounts(num_classes)
    for truth, prediction in pairs:
        counts.add(np.array(truth), np.array(prediction))
    return counts


def random_pairs(rng, num_images, num_classes):
    """Images of several sizes that hold few of the classes and some ignored pixels."""
    pairs = []
    for _ in range(num_images):
        size, present = rng.integers(1, 20, size=2), rng.choice(num_classes, 3)
        truth, prediction = rng.choice(present, size), rng.choice(present, size)
        pairs.append((np.where(rng.random(size) < 0.1, IGNORED, truth), prediction))
    return pairs


def test_t8_hand_case():
    """T8: an ignored pixel counts for nothing, an absent class is no zero."""
    i = IGNORED
    counts = counted([([[0, 0, 1, i], [0, 2, 2, i]], [[0, 1, 1, 3], [0, 2, 1, 2]])], 5)
    areas = class_areas(counts.confusion)
    np.testing.assert_allclose(class_iou(areas), [2 / 3, 1 / 3, 1 / 2, np.nan, np.nan])
    np.testing.assert_allclose(class_accuracy(areas), [2 / 3, 1, 1 / 2, np.nan, np.nan])
    found = set_scores(areas)
    assert {name: round(float(value), 4) for name, value in found.items()} == {
        "miou": 0.5,
        "macc": 0.7222,
        "aacc": 0.6667,
    }


def test_a_class_that_is_only_predicted_counts_as_zero():
    areas = class_areas(counted([([[0, 0, 1]], [[0, 2, 1]])], 4).confusion)
    np.testing.assert_allclose(class_iou(areas), [0.5, 1, 0, np.nan])
    np.testing.assert_allclose(class_accuracy(areas), [0.5, 1, np.nan, np.nan])
    assert set_scores(areas)["miou"] == pytest.approx(0.5)
    assert set_scores(areas)["macc"] == pytest.approx(0.75)


def test_one_matrix_over_the_set_equals_sklearn(rng):
    pairs = random_pairs(rng, 12, 7)
    counts = counted(pairs, 9)
    truth = np.concatenate([truth[truth != IGNORED] for truth, _ in pairs])
    prediction = np.concatenate([prediction[truth != IGNORED] for truth, prediction in pairs])
    np.testing.assert_array_equal(counts.confusion, confusion_matrix(truth, prediction, labels=np.arange(9)))
    areas, present = class_areas(counts.confusion), np.union1d(truth, prediction)
    iou = jaccard_score(truth, prediction, labels=present, average=None, zero_division=0)
    np.testing.assert_allclose(class_iou(areas)[present], iou)
    assert np.isnan(np.delete(class_iou(areas), present)).all()
    recall = recall_score(truth, prediction, labels=np.unique(truth), average=None)
    found = set_scores(areas)
    np.testing.assert_allclose(
        [found["miou"], found["macc"], found["aacc"]],
        [iou.mean(), recall.mean(), (truth == prediction).mean()],
    )


def test_resamples_equal_sets_that_were_drawn_image_by_image(rng):
    pairs = random_pairs(rng, 6, 7)
    draws = resample_counts(6, 150)
    found, ious = counted(pairs, 7).resampled(draws)
    assert ious.shape == (150, 7)
    for place in (0, 63, 64, 149):
        drawn = [pair for pair, times in zip(pairs, draws[place], strict=True) for _ in range(times)]
        areas = class_areas(counted(drawn, 7).confusion)
        np.testing.assert_allclose(ious[place], class_iou(areas))
        expected = set_scores(areas)
        for name, value in expected.items():
            assert found[name].shape == (150,)
            assert found[name][place] == pytest.approx(value, nan_ok=True)


def test_without_a_labelled_pixel_nothing_is_defined():
    counts = counted([([[IGNORED, IGNORED]], [[0, 1]])], 2)
    assert all(np.isnan(value) for value in set_scores(class_areas(counts.confusion)).values())
    assert all(np.isnan(values).all() for values in counts.resampled(np.ones((3, 1), int))[0].values())


def test_memory_of_many_classes_and_images_stays_small(rng):
    """2000 images of 150 classes: a few classes an image, and 1000 resamples in blocks."""
    counts = SegmentationCounts(150)
    for _ in range(2000):
        labels = rng.choice(150, 8).astype(np.int16)
        counts.add(labels.reshape(2, 4), np.roll(labels, 1).reshape(2, 4))
    kept = sum(part.nbytes for part in counts._indices + counts._values)
    assert kept < 2000 * 500  # bytes
    found, _ = counts.resampled(resample_counts(2000, 1000))
    assert np.std(found["miou"]) > 0


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [([[0, 1]], [[0], [1]], "expected a prediction"), ([[0, 2]], [[0, 1]], "leave 0..1")],
)
def test_what_cannot_be_counted_is_refused(truth, prediction, message):
    with pytest.raises(ValueError, match=message):
        counted([(truth, prediction)], 2)
