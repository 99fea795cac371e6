import numpy as np
import pytest

from pipeline.classification.predicting import logits_of_batches, top_classes
from pipeline.config.finetune import ClassificationViewConfig, FinetuneConfig

CONFIG = FinetuneConfig(view=ClassificationViewConfig(image_size=8, resize=8), test_batch_size=4, seed=0)
STATISTICS = {"mean": np.zeros(3), "std": np.full(3, 1 / 255)}


class Images:
    """Image i is full of i."""

    def images(self, rows, at_least=None):
        return [np.full((8, 8, 3), row, np.uint8) for row in rows]


def logits_of(images):
    """Class c is likelier the closer 10 c is to the image's value; always a whole batch."""
    assert images.shape == (4, 3, 8, 8)
    return -np.abs(images[:, 0, 0, 0][:, None] - 10 * np.arange(7))


def test_classes_are_ranked_for_every_image():
    rows = np.array([3, 12, 60, 18, 31, 44])
    found = top_classes(logits_of_batches(logits_of, Images(), rows, CONFIG, **STATISTICS))
    assert found.shape == (6, 5)
    assert found[:, 0].tolist() == [0, 1, 6, 2, 3, 4]
    assert found[1].tolist() == [1, 2, 0, 3, 4]


def test_the_lowest_of_equal_classes_comes_first():
    assert top_classes([np.zeros((2, 3))]).tolist() == [[0, 1, 2]] * 2


def test_logits_that_are_not_finite_are_refused():
    logits = logits_of_batches(
        lambda images: np.full((4, 3), np.nan), Images(), np.array([5, 6]), CONFIG, **STATISTICS
    )
    with pytest.raises(FloatingPointError, match=r"images 5\.\.6"):
        next(logits)
