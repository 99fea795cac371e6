import numpy as np

from pipeline.dense_probes.patch_features import PatchFeatures
from pipeline.dense_probes.patch_sample import choose_images, sample_patches


def features(tokens):
    n, h, w, _ = tokens.shape
    return PatchFeatures(tokens, np.zeros((n, h * w, 1)), np.zeros((n, 1, h, w)))


def sample(rng, label_maps, *, max_patches, num_classes=4):
    """Two batches of images whose tokens say which image and patch they are."""
    n, side = len(label_maps), 2
    patch = np.arange(side * side).reshape(side, side)
    tokens = np.stack(np.broadcast_arrays(np.arange(n)[:, None, None], patch), axis=-1).astype(np.float32)
    rows = np.arange(n) + 10
    batches = [(rows[:2], features(tokens[:2])), (rows[2:], features(tokens[2:]))]
    return sample_patches(
        rng,
        batches,
        lambda row: label_maps[row - 10],
        num_images=n,
        num_classes=num_classes,
        max_patches=max_patches,
    )


def test_patches_come_with_their_labels_and_ignored_ones_do_not(rng):
    label_maps = np.array([[[0, 1], [2, -1]], [[3, 3], [-1, -1]], [[-1, -1], [-1, -1]]], np.int16)
    found = sample(rng, label_maps, max_patches=100)
    assert found.tokens.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]]
    assert found.labels.tolist() == [0, 1, 2, 3, 3]
    assert found.num_images == 3


def test_every_image_gives_as_many_and_equal_generators_the_same():
    label_maps = np.zeros((3, 4, 4), np.int16)
    first, again = (sample(np.random.default_rng(4), label_maps, max_patches=8) for _ in range(2))
    assert np.bincount(first.tokens[:, 0].astype(int)).tolist() == [2, 2, 2]
    np.testing.assert_array_equal(first.tokens, again.tokens)
    fewest = sample(np.random.default_rng(4), label_maps, max_patches=1)
    assert len(fewest) == 3


def test_images_are_drawn_only_where_there_are_too_many(rng):
    rows = np.array([3, 5, 8, 9])
    assert choose_images(rng, rows, 4) is rows
    chosen = choose_images(rng, rows, 2)
    assert len(set(chosen.tolist())) == 2
    assert set(chosen.tolist()) <= set(rows.tolist())
    assert chosen[0] < chosen[1]
