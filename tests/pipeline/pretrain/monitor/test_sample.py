from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.config.monitor import MonitorConfig
from pipeline.pretrain.monitor.sample import draw_sample


def dataset(labels, splits):
    splits, labels = np.array(splits), np.array(labels)
    return SimpleNamespace(name="toy", labels=labels, indices=lambda part: np.flatnonzero(splits == part))


PARTS = ["val"] * 10 + ["train"] * 40 + ["test"] * 10


def test_the_sample_is_of_the_training_part_alone_and_no_image_is_twice_in_it():
    sample = draw_sample(dataset(np.arange(60) % 3, PARTS), MonitorConfig(num_images=20))
    assert (len(sample.bank), len(sample.queries)) == (15, 5)
    rows = np.concatenate([sample.bank, sample.queries])
    assert len(set(rows)) == 20
    assert rows.min() >= 10
    assert rows.max() < 50
    assert np.array_equal(sample.bank_labels, sample.bank % 3)
    assert np.array_equal(sample.query_labels, sample.queries % 3)


def test_its_seed_alone_decides_and_a_small_part_is_taken_whole():
    data = dataset(np.zeros(60, int), PARTS)
    rows = [tuple(draw_sample(data, MonitorConfig(num_images=20, seed=seed)).bank) for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]
    whole = draw_sample(data, MonitorConfig(num_images=1000))
    assert sorted([*whole.bank, *whole.queries]) == list(range(10, 50))


def test_without_labels_there_is_nothing_to_vote_for():
    none, one, some = np.full(60, -1), np.zeros(60, int), np.where(np.arange(60) % 2, np.arange(60) % 3, -1)
    config = MonitorConfig(num_images=40)
    assert draw_sample(dataset(none, PARTS), config).labelled is None
    assert draw_sample(dataset(one, PARTS), config).labelled is None
    sample = draw_sample(dataset(some, PARTS), config)
    bank, queries = sample.labelled
    assert (sample.bank_labels[bank] >= 0).all()
    assert (sample.query_labels[queries] >= 0).all()
    assert len(bank) + len(queries) == 20


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match=r"\[monitor\] needs 8 training images or more, found 7 in toy"):
        draw_sample(dataset(np.zeros(7, int), ["train"] * 7), MonitorConfig())
