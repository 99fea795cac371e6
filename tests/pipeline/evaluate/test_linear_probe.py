import math

import numpy as np
import pytest

from pipeline.evaluate import linear_probe as module
from pipeline.evaluate.linear_probe import best_rate, predict, rate_scores, train_sweep
from pipeline.evaluate.probes.settings import LinearConfig


def train_one_by_one(features, labels, config, num_classes):
    """The same protocol in float64, one rate after the other, straight from its description.

    Labels (n, num_classes) are of any number of classes: a sigmoid each, else one softmax.
    """
    trained = []
    for base_lr in config.base_lrs:
        rng = np.random.default_rng(0)
        weights = rng.normal(0, 0.01, (features.shape[1], num_classes)).astype(np.float32).astype(float)
        biases, weight_velocity, bias_velocity = np.zeros(num_classes), 0.0, 0.0
        size = min(config.batch_size, len(features))
        for epoch in range(config.epochs):
            lr = base_lr * size / 256 * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))
            order = rng.permutation(len(features))
            for rows in (order[i : i + size] for i in range(0, len(order), size)):
                images = features[rows].astype(float)
                logits = images @ weights + biases
                if labels.ndim == 2:
                    error = (1 / (1 + np.exp(-logits)) - labels[rows]) / len(rows)
                else:
                    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
                    error = (shares - np.eye(num_classes)[labels[rows]]) / len(rows)
                weight_velocity = config.momentum * weight_velocity + images.T @ error
                bias_velocity = config.momentum * bias_velocity + error.sum(axis=0)
                weights = weights - lr * weight_velocity
                biases = biases - lr * bias_velocity
        trained.append((weights, biases))
    return trained


def by_numpy(monkeypatch, logit_bytes):
    """Let NumPy take the steps; 0: what is compiled takes them, where anything can be compiled."""
    if logit_bytes:
        monkeypatch.setattr(module, "compiled_step", lambda label_axes: None)
        monkeypatch.setattr(module, "LOGIT_BYTES", logit_bytes)


@pytest.mark.parametrize("logit_bytes", [0, 1, 2 * 4 * 4 * 64, 2**20])  # of one rate, of two, of all three
@pytest.mark.parametrize("batch_size", [64, 1024])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_equals_a_loop_over_rates_in_float64(batch_size, num_classes, logit_bytes, monkeypatch):
    by_numpy(monkeypatch, logit_bytes)
    rng = np.random.default_rng(7)
    features = rng.standard_normal((150, 12)).astype(np.float32)
    labels = rng.integers(0, num_classes, 150)
    config = LinearConfig(epochs=5, batch_size=batch_size, base_lrs=(0.003, 0.1, 1.0))
    sweep = train_sweep(features, labels, config, num_classes=num_classes, rng=np.random.default_rng(0))
    for rate, (weights, biases) in enumerate(train_one_by_one(features, labels, config, num_classes)):
        np.testing.assert_allclose(sweep.weights[:, :, rate], weights, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(sweep.biases[:, rate], biases, rtol=1e-4, atol=1e-6)
        expected = (features @ weights + biases).argmax(axis=1)
        np.testing.assert_array_equal(predict(sweep, features)[:, rate], expected)


@pytest.mark.parametrize("logit_bytes", [0, 4 * 150 * 4, 2**28])  # of two rates, of all
def test_label_sets_equal_a_loop_over_rates_in_float64(logit_bytes, monkeypatch):
    monkeypatch.setattr(module, "SCORE_BYTES", logit_bytes)  # one rate at once, and all of them
    by_numpy(monkeypatch, logit_bytes)
    rng = np.random.default_rng(7)
    features = rng.standard_normal((150, 12)).astype(np.float32)
    labels = (rng.random((150, 4)) < [0.5, 0.2, 0.9, 0.0]).astype(np.int8)
    config = LinearConfig(epochs=5, batch_size=64, base_lrs=(0.003, 0.1, 1.0))
    sweep = train_sweep(features, labels, config, num_classes=4, rng=np.random.default_rng(0))
    scores = list(rate_scores(sweep, features))
    for rate, (weights, biases) in enumerate(train_one_by_one(features, labels, config, 4)):
        np.testing.assert_allclose(sweep.weights[:, :, rate], weights, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(sweep.biases[:, rate], biases, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(scores[rate], features @ weights + biases, rtol=1e-3, atol=1e-4)


def test_labels_that_are_neither_0_nor_1_are_refused():
    with pytest.raises(ValueError, match="needs 0 or 1 for 2 images and 2 classes"):
        train_sweep(
            np.ones((2, 3), np.float32),
            np.array([[0, 2], [1, 0]]),
            LinearConfig(),
            num_classes=2,
            rng=np.random.default_rng(0),
        )


@pytest.mark.parametrize("logit_bytes", [0, 2**20])
def test_of_one_class_there_is_nothing_to_learn(logit_bytes, monkeypatch):
    by_numpy(monkeypatch, logit_bytes)
    features = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    rates = {"config": LinearConfig(epochs=2, base_lrs=(0.1, 1.0)), "num_classes": 1}
    sweep = train_sweep(features, np.zeros(20, np.int64), **rates, rng=np.random.default_rng(5))
    start = np.random.default_rng(5).normal(0, 0.01, (3, 1)).astype(np.float32)
    np.testing.assert_array_equal(sweep.weights, np.repeat(start[:, :, None], 2, axis=2))
    assert (sweep.biases == 0).all()


def test_a_separable_problem_is_solved():
    rng = np.random.default_rng(0)
    centres = 4 * rng.standard_normal((5, 20))
    labels = rng.integers(0, 5, 600)
    features = (centres[labels] + rng.standard_normal((600, 20))).astype(np.float32)
    epochs = []
    config = LinearConfig(epochs=20, base_lrs=(1e-6, 0.1))
    sweep = train_sweep(features, labels, config, num_classes=5, rng=rng, report=epochs.append)
    accuracies = (predict(sweep, features) == labels[:, None]).mean(axis=0)
    assert accuracies[1] == 1
    assert accuracies[0] < 0.9
    assert best_rate(accuracies, sweep.diverged) == 1
    assert epochs == list(range(1, 21))


@pytest.mark.parametrize("logit_bytes", [0, 2**20])
def test_a_rate_that_diverges_is_marked_and_changes_no_other(logit_bytes, monkeypatch):
    by_numpy(monkeypatch, logit_bytes)
    rng = np.random.default_rng(0)
    features = (1e4 * rng.standard_normal((200, 6))).astype(np.float32)
    labels = rng.integers(0, 3, 200)
    sweeps = [
        train_sweep(
            features,
            labels,
            LinearConfig(epochs=10, batch_size=50, base_lrs=rates),
            num_classes=3,
            rng=np.random.default_rng(0),
        )
        for rates in ((1e-9, 1e-8), (1e-9, 1e36, 1e-8))
    ]
    assert sweeps[1].diverged.tolist() == [False, True, False]
    np.testing.assert_allclose(sweeps[1].weights[:, :, [0, 2]], sweeps[0].weights, rtol=1e-5, atol=1e-9)
    assert best_rate(np.array([0.2, 0.9, 0.3]), sweeps[1].diverged) == 2
    with pytest.raises(FloatingPointError, match="every learning rate"):
        best_rate(np.ones(2), np.array([True, True]))


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 3], [0, -1, 1]])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(ValueError, match="label"):
        train_sweep(
            np.ones((3, 2), np.float32),
            np.array(labels),
            LinearConfig(epochs=1),
            num_classes=3,
            rng=np.random.default_rng(0),
        )


class KeptInMemory:
    """A checkpointer that holds the state after one batch."""

    def __init__(self, batch):
        self.batch, self.held = batch, None

    def restore(self, state):
        if self.held is None:
            return 0
        for name, array in state.items():
            array[...] = self.held[name]
        return self.batch

    def save(self, state, num_batches):
        if num_batches == self.batch and self.held is None:
            self.held = {name: array.copy() for name, array in state.items()}


@pytest.mark.parametrize("logit_bytes", [0, 2**20])
def test_a_sweep_goes_on_from_its_state_bit_for_bit(logit_bytes, monkeypatch):
    by_numpy(monkeypatch, logit_bytes)
    rng = np.random.default_rng(3)
    features, labels = rng.standard_normal((90, 5)).astype(np.float32), rng.integers(0, 3, 90)
    config, kept = LinearConfig(epochs=4, batch_size=40, base_lrs=(0.1, 3.0)), KeptInMemory(batch=5)
    given = {"config": config, "num_classes": 3, "checkpointer": kept}
    whole = train_sweep(features, labels, **given, rng=np.random.default_rng(0))
    assert kept.held is not None
    resumed = train_sweep(features, labels, **given, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(resumed.weights, whole.weights)
    np.testing.assert_array_equal(resumed.biases, whole.biases)
