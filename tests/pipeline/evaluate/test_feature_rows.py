import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluate import linear_probe
from pipeline.evaluate.feature_rows import FeatureRows, StackedRows
from pipeline.evaluate.knn import classify
from pipeline.evaluate.linear_probe import predict, train_sweep
from pipeline.evaluate.neighbours import nearest
from pipeline.evaluate.probes.settings import LinearConfig
from pipeline.storage.mapped_pages import release_pages

MIB = 2**20


def mapped_mib():
    """MiB of files that this process holds in memory."""
    return int(re.search(r"RssFile:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


@pytest.fixture
def on_disk(tmp_path):
    """A mapped file of 32,768 features of two blocks and 256 channels, 64 MiB, that holds zeros."""
    array = np.lib.format.open_memmap(tmp_path / "f.npy", "w+", np.float32, (32768, 2, 256))
    del array
    return np.load(tmp_path / "f.npy", mmap_mode="r")


def test_rows_are_those_of_the_arrays(rng):
    cls, mean = rng.normal(size=(20, 2, 5)).astype(np.float32), rng.normal(size=(20, 3)).astype(np.float16)
    whole = np.concatenate([cls[:, -1], mean.astype(np.float32)], axis=1)
    for rows in (None, np.array([3, 4, 11, 19])):
        features = FeatureRows((cls[:, -1], mean), rows)
        expected = whole if rows is None else whole[rows]
        assert features.shape == expected.shape
        assert len(features) == len(expected)
        assert np.asarray(features).dtype == np.float32
        assert np.array_equal(features, expected)
        assert np.array_equal(features[1:3], expected[1:3])
        assert np.array_equal(features[np.array([2, 0])], expected[[2, 0]])


def test_searches_and_probes_find_the_same_in_rows_as_in_arrays(rng, tmp_path):
    values, labels = rng.normal(size=(900, 2, 16)).astype(np.float32), np.arange(900) % 3
    np.save(tmp_path / "f.npy", values)
    rows = np.flatnonzero(np.arange(900) % 4)
    features = FeatureRows((np.load(tmp_path / "f.npy", mmap_mode="r")[:, -1],), rows)
    array, labels = values[rows, -1], labels[rows]
    for found, expected in zip(nearest(features, features, 7), nearest(array, array, 7), strict=True):
        assert np.array_equal(found, expected)
    options = {"ks": (3, 20), "temperature": 0.07}
    votes = [classify(each, each, labels, **options) for each in (features, array)]
    for found, expected in zip(*votes, strict=True):
        assert np.array_equal(found.ranking, expected.ranking)
    config = LinearConfig(epochs=2, batch_size=64, base_lrs=(0.1, 1.0))
    sweeps = [
        train_sweep(each, labels, config, num_classes=3, rng=np.random.default_rng(0))
        for each in (features, array)
    ]
    assert np.array_equal(sweeps[0].weights, sweeps[1].weights)
    assert np.array_equal(predict(sweeps[0], features), predict(sweeps[0], array))


def test_half_precision_moves_cosines_by_less_than_a_thousandth(rng):
    values = rng.normal(size=(500, 32)).astype(np.float32)
    exact, _ = nearest(values, values, 5)
    rounded, _ = nearest(values, FeatureRows((values.astype(np.float16),)), 5)
    assert 0 < np.abs(exact - rounded).max() < 1e-3


def most_held(rows_at_once):
    """The most MiB of files in memory above those at the start, while blocks of rows are looked at."""
    start, most = mapped_mib(), 0.0
    for block in rows_at_once:
        block.sum()
        most = max(most, mapped_mib() - start)
    return most


def test_memory_does_not_grow_with_the_number_of_images(on_disk, rng):
    """The whole file counts as memory where a plain map is read."""
    in_order = [slice(start, start + 1024) for start in range(0, 32768, 1024)]
    assert most_held(on_disk[block, -1] for block in in_order) > 48
    release_pages(on_disk)
    features = FeatureRows((on_disk[:, -1],))
    scattered = rng.permutation(32768).reshape(-1, 256)
    assert most_held(features[block] for block in (*in_order, *scattered)) < 4


def test_few_features_are_held_in_memory(on_disk, rng):
    features = FeatureRows((on_disk[:, -1],), rng.permutation(32768)[:100])
    held = features.held(100 * 256 * 4)
    assert isinstance(held, np.ndarray)
    assert np.array_equal(held, features[:])
    assert features.held(100 * 256 * 4 - 1) is features


@pytest.mark.parametrize("most_bytes", [0, 2**30])
def test_a_linear_probe_is_the_same_whether_its_features_are_held_or_not(
    tmp_path, rng, monkeypatch, most_bytes
):
    monkeypatch.setattr(linear_probe, "HELD_BYTES", most_bytes)
    np.save(tmp_path / "f.npy", rng.normal(size=(500, 2, 16)).astype(np.float32))
    mapped, rows, reads = np.load(tmp_path / "f.npy", mmap_mode="r"), rng.permutation(500)[:300], []

    class Watched(FeatureRows):
        def __getitem__(self, chosen):
            reads.append(chosen)
            return super().__getitem__(chosen)

    features, labels = Watched((mapped[:, -1],), rows), rng.integers(0, 3, 300)
    config = LinearConfig(epochs=2, batch_size=100, base_lrs=(0.1, 1.0))
    found, expected = (
        train_sweep(given, labels, config, num_classes=3, rng=np.random.default_rng(1))
        for given in (features, features[:])
    )
    assert np.array_equal(found.weights, expected.weights)
    assert len(reads) - 1 == (1 if most_bytes else 6)


def test_k_nn_and_linear_probe_hold_little_of_what_is_on_disk(on_disk, rng, monkeypatch):
    monkeypatch.setattr(linear_probe, "HELD_BYTES", 0)
    features, held = FeatureRows((on_disk[:, -1],)), []
    start = mapped_mib()

    class Watched(FeatureRows):
        def __getitem__(self, rows):
            held.append(mapped_mib() - start)
            return super().__getitem__(rows)

    watched = Watched(features.parts)
    nearest(np.ones((4, 256), np.float32), watched, 3)
    config = LinearConfig(epochs=1, batch_size=2048, base_lrs=(0.1,))
    sweep = train_sweep(watched, np.zeros(32768, np.int64), config, num_classes=2, rng=rng)
    predict(sweep, watched)
    assert len(held) > 24
    assert max(held) < 4


def test_stacked_rows_are_read_across_their_borders():
    arrays = tuple(np.arange(3 * count).reshape(count, 3) + 100 * count for count in (4, 0, 1, 5))
    stacked, whole = StackedRows(arrays), np.concatenate(arrays)
    assert (stacked.shape, stacked.ndim, len(stacked)) == ((10, 3), 2, 10)
    assert [whole[part].tolist() for part in stacked.parts] == [array.tolist() for array in arrays]
    for first, end in ((0, 10), (0, 4), (3, 5), (4, 5), (2, 9), (5, 10), (9, 20)):
        np.testing.assert_array_equal(stacked[first:end], whole[first:end])
