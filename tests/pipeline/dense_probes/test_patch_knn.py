import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from pipeline.dense_probes.patch_knn import PatchNeighbours, choose_k
from pipeline.dense_probes.patch_sample import PatchSample


def patches(rng, num, noise=1.0):
    labels = rng.integers(0, 4, num)
    tokens = np.eye(4, 8)[labels] + noise * rng.normal(size=(num, 8))
    return PatchSample(tokens.astype(np.float32), labels, num_images=5)


def test_votes_equal_scikit_learn(rng):
    bank, queries = patches(rng, 300), patches(rng, 50).tokens
    found = PatchNeighbours(bank, num_classes=6, k=20, temperature=0.07, num_threads=2).scores(queries)
    oracle = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda distances: np.exp((1 - distances) / 0.07)
    ).fit(bank.tokens, bank.labels)
    np.testing.assert_allclose(found[:, :4], oracle.predict_proba(queries), atol=1e-4)
    assert not found[:, 4:].any()
    assert found.dtype == np.float32


def test_k_is_the_one_that_does_best_on_validation_patches(rng):
    # Training labels are right for half of the patches only: the nearest alone is a bad judge.
    bank = patches(rng, 400, noise=0.3)
    noisy = np.where(rng.random(400) < 0.5, rng.integers(0, 4, 400), bank.labels)
    bank = PatchSample(bank.tokens, noisy, bank.num_images)
    options = {"ks": (1, 40, 1000), "temperature": 1.0, "num_threads": 1}
    assert choose_k(bank, patches(rng, 200, noise=0.3), **options) == 40
    assert choose_k(bank, bank, **options) == 1
    assert choose_k(bank, None, **options) == 1  # |1 - 20| < |40 - 20|
    assert choose_k(bank, bank, **(options | {"ks": (1000,)})) == 400
