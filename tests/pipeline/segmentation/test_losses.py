"""Pixel cross-entropy against float64 NumPy and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from pipeline.datasets.targets import IGNORED


def loss_and_gradient(jt, logits, label_maps):
    from pipeline.segmentation.losses import pixel_cross_entropy

    logits = jt.array(logits.astype(np.float32))
    loss = pixel_cross_entropy(logits, label_maps)
    return loss.item(), jt.grad(loss, logits).numpy()


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_mean_over_the_labelled_pixels(jt, rng):
    logits = rng.normal(scale=5, size=(3, 6, 5, 7))
    labels = rng.integers(0, 6, size=(3, 5, 7)).astype(np.int16)
    labels[rng.random(labels.shape) < 0.3] = IGNORED
    loss, gradient = loss_and_gradient(jt, logits, labels)
    shares = softmax(logits)
    counted = labels != IGNORED
    rows = shares.transpose(0, 2, 3, 1)[counted]
    assert loss == pytest.approx(log_loss(labels[counted], rows, labels=range(6)), rel=1e-5)
    chosen = labels[:, None] == np.arange(6).reshape(1, -1, 1, 1)
    expected = (shares - chosen) * counted[:, None] / counted.sum()
    assert np.abs(gradient - expected).max() < 1e-6


def test_logits_come_to_the_labels_resolution(jt, rng):
    from pipeline.models.resize import resize_matrix

    logits = rng.normal(size=(2, 3, 4, 5))
    labels = rng.integers(0, 3, size=(2, 16, 20)).astype(np.int16)
    loss, _ = loss_and_gradient(jt, logits, labels)
    large = resize_matrix(4, 16).astype(np.float64) @ logits @ resize_matrix(5, 20).T
    expected, _ = loss_and_gradient(jt, large, labels)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_t8_a_batch_of_ignored_pixels_teaches_nothing(jt, rng):
    """T8: loss 0, and finite gradients of 0."""
    loss, gradient = loss_and_gradient(
        jt, rng.normal(size=(2, 3, 4, 4)), np.full((2, 8, 8), IGNORED, np.int16)
    )
    assert loss == 0
    assert np.array_equal(gradient, np.zeros((2, 3, 4, 4)))


def test_large_logits_stay_finite(jt):
    logits = np.zeros((1, 2, 1, 2))
    logits[0, 0] = 1e4, -1e4
    loss, gradient = loss_and_gradient(jt, logits, np.array([[[1, 1]]], np.int16))
    assert loss == pytest.approx(5000)
    assert np.allclose(gradient[0, :, 0], [[0.5, 0], [-0.5, 0]])
