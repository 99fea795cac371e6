import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pipeline.dense_probes.patch_linear import fit_patch_linear
from pipeline.dense_probes.patch_sample import PatchSample

OPTIONS = {"max_iterations": 2000, "num_threads": 1}


def blobs(rng, classes, num=200, spread=1.5):
    centres = np.random.default_rng(0).normal(scale=2, size=(10, 6))
    labels = rng.choice(classes, num)
    tokens = centres[labels] + spread * rng.normal(size=(num, 6)) + 30  # far from 0: the scaler must matter
    return PatchSample(tokens.astype(np.float32), labels, num_images=4)


@pytest.mark.parametrize("classes", [(1, 4), (0, 2, 3, 7)])
def test_logits_equal_scikit_learn(rng, classes):
    train, queries = blobs(rng, classes), blobs(rng, classes).tokens
    probe = fit_patch_linear(train, None, inverse_strengths=(0.1,), **OPTIONS)
    scaler = StandardScaler().fit(train.tokens)
    oracle = LogisticRegression(C=0.1, max_iter=2000).fit(scaler.transform(train.tokens), train.labels)
    exps = np.exp(probe.scores(queries).astype(np.float64))
    if len(classes) == 2:
        np.testing.assert_allclose(
            exps / exps.sum(axis=1, keepdims=True), oracle.predict_proba(scaler.transform(queries)), atol=1e-3
        )
    assert probe.classes.tolist() == list(classes)
    predicted = probe.classes[probe.scores(queries).argmax(axis=1)]
    np.testing.assert_array_equal(predicted, oracle.predict(scaler.transform(queries)))
    assert probe.scores(queries).dtype == np.float32


def test_c_is_the_one_that_does_best_on_validation_patches(rng):
    train, validation = blobs(rng, (0, 1, 2), num=40, spread=4), blobs(rng, (0, 1, 2), num=400, spread=4)
    strengths = (1e-4, 1e-2, 1.0, 100.0)
    probe = fit_patch_linear(train, validation, inverse_strengths=strengths, **OPTIONS)
    accuracies = []
    for strength in strengths:
        alone = fit_patch_linear(train, None, inverse_strengths=(strength,), **OPTIONS)
        accuracies.append(np.mean(alone.scores(validation.tokens).argmax(axis=1) == validation.labels))
    assert probe.inverse_strength == strengths[int(np.argmax(accuracies))]
    assert f"C={probe.inverse_strength:g} chosen on validation patches" in probe.protocol
    assert "no validation to choose it on" in alone.protocol


def test_a_fit_that_is_cut_short_says_so(rng):
    probe = fit_patch_linear(
        blobs(rng, (0, 1, 2)), None, inverse_strengths=(1.0,), max_iterations=1, num_threads=1
    )
    assert "not converged in 1 iterations" in probe.protocol
