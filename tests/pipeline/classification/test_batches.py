import numpy as np
import pytest

from pipeline.classification.batches import BatchMaker
from pipeline.config.finetune import (
    ClassificationSchedule,
    ClassificationViewConfig,
    FinetuneConfig,
    MixingConfig,
)

CONFIG = FinetuneConfig(
    view=ClassificationViewConfig(image_size=16, resize=16),
    schedule=ClassificationSchedule(batch_size=6),
    seed=4,
)
PLAIN = CONFIG.model_copy(
    update={
        "view": CONFIG.view.model_copy(
            update={"num_operations": 0, "erase_probability": 0, "flip_probability": 0, "scale": (1, 1),
                    "aspect_ratio": (1, 1)}
        ),
        "mixing": MixingConfig(probability=0, label_smoothing=0),
    }
)  # fmt: skip


class TwelveImages:
    """Image i is full of 20 i, its class is i % 3."""

    labels = np.arange(12) % 3
    class_names = ("a", "b", "c")

    def image(self, i, at_least=None):
        assert at_least == 32
        return np.full((16, 16, 3), 20 * i, np.uint8)

    def path(self, i):
        return f"{i}.png"


def maker(config, rows=np.arange(12)):  # noqa: B008
    return BatchMaker(config, TwelveImages(), rows, np.zeros(3), np.full(3, 20 / 255))


def test_images_names_and_targets_belong_together():
    batch = maker(PLAIN)(0)
    found = np.rint(batch.images[:, 0, 0, 0]).astype(int)
    assert batch.names == [f"{i}.png" for i in found]
    np.testing.assert_array_equal(batch.targets, np.eye(3)[found % 3])
    np.testing.assert_allclose(
        batch.images, np.broadcast_to(found[:, None, None, None], (6, 3, 16, 16)), atol=1e-4
    )
    assert sorted([*batch.names, *maker(PLAIN)(1).names]) == sorted(f"{i}.png" for i in range(12))


def test_only_the_labelled_rows_in_use_come():
    batch = maker(PLAIN, rows=np.array([2, 7]))(5)
    assert sorted(batch.names) == ["2.png"] * 3 + ["7.png"] * 3


def test_a_batch_is_a_function_of_seed_and_step():
    batches = [maker(CONFIG)(step) for step in (3, 3, 4)]
    other = maker(CONFIG.model_copy(update={"seed": 5}))(3)
    np.testing.assert_array_equal(batches[0].images, batches[1].images)
    np.testing.assert_array_equal(batches[0].targets, batches[1].targets)
    assert not np.array_equal(batches[0].images, batches[2].images)
    assert not np.array_equal(batches[0].images, other.images)
    np.testing.assert_allclose(batches[0].targets.sum(axis=1), 1, rtol=1e-6)
    assert batches[0].targets.min() == pytest.approx(0.1 / 3)


def test_parts_are_the_batch():
    batch = maker(CONFIG)(0)
    parts = [batch.microbatch(index, 3) for index in range(3)]
    assert [name for part in parts for name in part.names] == batch.names
    for field in ("images", "targets"):
        whole = np.concatenate([getattr(part, field) for part in parts])
        np.testing.assert_array_equal(whole, getattr(batch, field))
