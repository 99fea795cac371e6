import numpy as np

from pipeline.datasets.channels.statistics import moments, set_statistics


def test_those_of_a_set_are_those_of_all_its_pixels():
    """Far from 0, where sums of squares would have lost the variance."""
    rng = np.random.default_rng(0)
    shapes = ((4, 5, 2), (30, 20, 2), (7, 7, 2))
    images = [(1e5 + rng.normal(0, [1, 300], shape)).astype(np.float32) for shape in shapes]
    sizes = np.array([image.shape[1::-1] for image in images])
    mean, std, flat = set_statistics(np.array([moments(image) for image in images]), sizes)
    pixels = np.concatenate([image.reshape(-1, 2) for image in images]).astype(np.float64)
    assert np.allclose(mean, pixels.mean(axis=0), rtol=1e-12)
    assert np.allclose(std, pixels.std(axis=0), rtol=1e-9)
    assert flat == []


def test_a_channel_that_does_not_vary_is_not_divided_by_zero():
    image = np.stack([np.full((4, 4), 7.7), np.arange(16.0).reshape(4, 4), np.zeros((4, 4))], axis=2)
    mean, std, flat = set_statistics(np.array([moments(image.astype(np.float32))]), np.array([[4, 4]]))
    assert flat == [0, 2]
    assert (std[0], std[2]) == (1.0, 1.0)
    assert np.isclose(mean[0], 7.7)
