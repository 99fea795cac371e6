"""Batches: functions of (seed, step), images and labels in step, padding that counts for nothing."""

import numpy as np

from pipeline.datasets.targets import IGNORED
from pipeline.segmentation.batches import BatchMaker

ZEROS, ONES = np.zeros(3, np.float32), np.ones(3, np.float32)


def maker(dataset, config, widths=(8, 6)):
    return BatchMaker(dataset, config, ZEROS, ONES, multiple=16, dropout_widths=widths)


def test_a_step_is_a_function_of_seed_and_step(in_memory, configured):
    dataset, config = in_memory([(30, 44)] * 5), configured()
    first, again = (maker(dataset, config)(3) for _ in range(2))
    assert first.names == again.names
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.label_maps, again.label_maps)
    other = maker(dataset, config)(4)
    assert not np.array_equal(first.images, other.images)
    different = maker(dataset, config.model_copy(update={"seed": 8}))(3)
    assert not np.array_equal(first.images, different.images)


def test_t9_labels_go_with_their_pixels_and_padding_is_ignored(in_memory, configured):
    """T9: after resize, crop and flip a pixel still has its class; padded pixels have none, and are 0."""
    dataset = in_memory([(12, 64), (40, 40), (9, 9)])
    config = configured(scale=(1.0, 1.0), resize=(12, 100), crop_size=20, photometric=False)
    for step in range(4):
        batch = maker(dataset, config)(step)
        # A crop of 20 px goes up to the next multiple of 16.
        assert batch.images.shape == (3, 3, 32, 32)
        assert batch.label_maps.shape == (3, 32, 32)
        padded = batch.label_maps == IGNORED
        assert padded[:, 12:].all()
        assert padded[:, :, 20:].all()
        assert not padded[:, :12, :12].any()
        assert np.all(batch.images[np.broadcast_to(padded[:, None], batch.images.shape)] == 0)
        for name, image, labels in zip(batch.names, batch.images, batch.label_maps, strict=True):
            if name == "0.png":  # the one that is not resized
                inside = labels != IGNORED
                assert np.allclose(image[0][inside], labels[inside] * 60 / 255, atol=1e-6)


def test_dropped_channels_keep_the_mean(in_memory, configured):
    batch = maker(in_memory([(20, 20)]), configured(), widths=(4000, 3))(0)
    large, small = batch.channel_scales
    assert (large.shape, small.shape) == ((3, 4000), (3, 3))
    assert np.allclose(np.unique(large), [0, 4 / 3])
    assert abs(large.mean() - 1) < 0.03


def test_one_image_fills_a_batch(in_memory, configured):
    batch = maker(in_memory([(20, 20)]), configured())(5)
    assert batch.names == ["0.png"] * 3
