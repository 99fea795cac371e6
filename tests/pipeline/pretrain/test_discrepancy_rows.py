from types import SimpleNamespace

import numpy as np

from pipeline.pretrain.discrepancy_rows import discrepancy_measures


def dataset(**parts: int) -> SimpleNamespace:
    """A prepared data set with so many images in each part."""
    return SimpleNamespace(
        name="d",
        split_names={"train": "train", "val": "a tenth of train", "test": "test"},
        indices=lambda part: np.arange(parts.get(part, 0)),
    )


def test_rows_are_fractions_and_only_of_a_head():
    metrics = {"loss": 3.0, "discrepancy_cka": 0.4, "discrepancy_cosine": 0.2, "discrepancy_kl": 1.5}
    found = discrepancy_measures(metrics, dataset(train=200, val=100))
    assert [(m.metric, m.value) for m in found] == [("cka", 0.4), ("cosine", 0.2)]
    assert {(m.images.split, m.images.num_images) for m in found} == {("a tenth of train", 64)}
    assert discrepancy_measures({"loss": 3.0}, dataset(train=3)) == []


def test_the_first_part_with_images_that_are_not_trained_on():
    metrics = {"discrepancy_cka": 0.4}
    for parts, split in (({"test": 5, "train": 9}, "test"), ({"train": 9}, "train")):
        (found,) = discrepancy_measures(metrics, dataset(**parts))
        assert (found.images.split, found.images.num_images) == (split, parts[split])
