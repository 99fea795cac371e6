import numpy as np
from sklearn.decomposition import PCA

from pipeline.dense_probes.pca import colours, foreground_gate, principal_components


def test_components_equal_scikit_learn_up_to_sign(rng):
    tokens = (rng.normal(size=(3, 4, 5, 6)) * [9, 5, 3, 1, 1, 1] + 7).astype(np.float32)
    found = principal_components(tokens)
    oracle = PCA(3).fit(tokens.reshape(-1, 6))
    expected = oracle.transform(tokens.reshape(-1, 6)).reshape(3, 4, 5, 3)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)
    np.testing.assert_allclose(principal_components(tokens[::-1])[::-1], found, atol=1e-6)


def test_the_largest_loading_is_positive(rng):
    tokens = rng.normal(size=(2, 3, 3, 1)) * [-1.0, 0.3]
    components = principal_components(tokens)
    # The first channel has the largest loading, so the component rises with it.
    assert np.corrcoef(components[..., 0].ravel(), tokens[..., 0].ravel())[0, 1] > 0.99
    assert not components[..., 2].any()


def test_the_gate_opens_for_the_side_that_keeps_off_the_border():
    first = -np.ones((2, 4, 4))
    first[:, 1:3, 1:3] = 3
    assert np.array_equal(foreground_gate(first), first > 0)
    assert np.array_equal(foreground_gate(-first), first > 0)
    assert foreground_gate(np.ones((1, 2, 2))).all()


def test_colours_lie_between_0_and_1_on_one_scale(rng):
    components = rng.normal(size=(2, 9, 9, 3)) * [100, 1, 0]
    shown = colours(components)
    low, high = np.percentile(components[..., 0], (2, 98))
    np.testing.assert_allclose(
        shown[..., 0], (components[..., 0].clip(low, high) - low) / (high - low), atol=1e-12
    )
    assert (shown[..., 1].min(), shown[..., 1].max()) == (0, 1)
    assert not shown[..., 2].any()  # a component that does not vary
