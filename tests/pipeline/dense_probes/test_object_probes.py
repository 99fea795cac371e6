from types import SimpleNamespace

import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths

from pipeline.config.dense import DenseProbeConfig
from pipeline.datasets.targets import Objects
from pipeline.dense_probes.object_probes import object_probes
from pipeline.dense_probes.patch_features import PatchFeatures
from pipeline.ranks.exchange import SINGLE_PROCESS

GRID, PATCH = (8, 8), 4  # images of 32 px
CONFIG = DenseProbeConfig(image_size=32, num_bootstrap=200)


def objects(boxes, crowd=()):
    """Objects that fill their boxes."""
    masks = np.zeros((len(boxes), 32, 32), np.uint8, order="C")
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = 1
    return Objects(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        classes=np.zeros(len(boxes), np.int64),
        crowd=np.array(crowd or [False] * len(boxes), bool),
        areas=masks.sum(axis=(1, 2)).astype(np.float32),
        segments=tuple(run_lengths.encode(np.asfortranarray(mask)) for mask in masks),
    )


class Dataset:
    """Squares of 12 x 16 pixels at random places; then what does not count: no object, and a crowd alone."""

    name = "squares"
    split_names = {"test": "held out"}  # noqa: RUF012

    def __init__(self, rng, num=20):
        corners = PATCH * rng.integers(0, 4, (num, 2))
        self.truths = [objects([[x, y, x + 12, y + 16]]) for x, y in corners.tolist()]
        self.truths += [objects([]), objects([[0, 0, 8, 8]], crowd=[True])]

    def indices(self, split):
        return np.arange(len(self.truths))

    def objects(self, i):
        return self.truths[i]

    def size(self, i):
        return 32, 32


class Reader:
    """Keys that know the objects of another image than the one they are read for, if shifted."""

    num_threads, ranks = 2, SINGLE_PROCESS

    def __init__(self, rng, shift=0):
        self.rng, self.shift, self.asked = rng, shift, []

    def gathered(self, made, num_images):
        return made

    def read(self, dataset, rows, purpose):
        self.asked += rows.tolist()
        for part in np.array_split(rows, 3):
            inside = np.stack([self._patches(dataset, (row + self.shift) % 20) for row in part.tolist()])
            keys = np.where(inside[..., None], [1.0, 0.1], [-1.0, 0.1])
            keys = keys + 0.05 * self.rng.normal(size=keys.shape)
            good = inside.reshape(-1, *GRID) + 0.01
            attention = np.stack([np.ones_like(good), good], axis=1)  # the second head knows
            yield part, PatchFeatures(np.zeros((len(part), *GRID, 2)), keys, attention)

    def _patches(self, dataset, row):
        x1, y1, x2, y2 = (dataset.truths[row].boxes[0] // PATCH).astype(int)
        inside = np.zeros(GRID, bool)
        inside[y1:y2, x1:x2] = True
        return inside.ravel()


def probe(rng, shift=0):
    messages = []
    measures = object_probes(
        Dataset(np.random.default_rng(1)), reader := Reader(rng, shift), CONFIG, messages.append
    )
    return {(m.task, m.metric): m for m in measures}, reader, messages


def test_objects_that_the_keys_know_are_found(rng):
    measures, reader, messages = probe(rng)
    assert list(measures) == [
        ("attention", "jaccard"),
        ("lost", "corloc"),
        ("lost", "corloc_centre_box"),
        ("tokencut", "corloc"),
        ("tokencut", "corloc_centre_box"),
    ]
    assert reader.asked == list(range(20))  # images without objects do not count
    assert not messages
    assert measures["lost", "corloc"].value == measures["tokencut", "corloc"].value == 1
    # 12 of 64 patches hold 12.12 of 12.64; the fewest that hold 60 % of it are 8 of the 12.
    assert measures["attention", "jaccard"].value == pytest.approx(8 / 12)
    for measure in measures.values():
        assert measure.images.num_images == 20
        assert measure.images.split == "held out"
        assert measure.replicates.shape == (200,)
        assert measure.replicates.mean() == pytest.approx(measure.value, abs=0.05)


def test_keys_of_another_image_find_little(rng):
    known, stray = probe(rng)[0], probe(rng, shift=7)[0]
    for task, metric in (("lost", "corloc"), ("tokencut", "corloc"), ("attention", "jaccard")):
        assert stray[task, metric].value < known[task, metric].value - 0.2
    # The centred box reads no features.
    assert stray["lost", "corloc_centre_box"].value == known["lost", "corloc_centre_box"].value


def test_the_centred_box_is_the_best_of_its_sides(rng):
    measure = probe(rng)[0]["lost", "corloc_centre_box"]
    truth = np.concatenate([found.boxes for found in Dataset(np.random.default_rng(1)).truths[:20]])
    best = 0.0
    for side in np.arange(1, 11) / 10:
        low, high = 16 - 16 * side, 16 + 16 * side
        common = np.clip(np.minimum(truth[:, 2:], high) - np.maximum(truth[:, :2], low), 0, None).prod(axis=1)
        best = max(best, np.mean(common / (12 * 16 + (high - low) ** 2 - common) >= 0.5))
    assert measure.value == pytest.approx(best)
    assert "the best of 0.1, 0.2, ..., 1 on these very images" in measure.protocol


def test_data_without_objects_say_so():
    messages = []
    dataset = SimpleNamespace(name="empty", indices=lambda split: np.arange(2), objects=lambda i: objects([]))
    assert object_probes(dataset, None, CONFIG, messages.append) == []
    assert messages == ["no probe of objects in empty: no test image shows one"]
