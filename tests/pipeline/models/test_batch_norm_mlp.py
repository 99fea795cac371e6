import numpy as np
import pytest


def reference(x, weights, norms, num_views, last_norm):
    for index, weight in enumerate(weights):
        x = x @ weight.T
        if index < len(weights) - 1 or last_norm:
            views = x.reshape(num_views, -1, x.shape[-1])
            views = (views - views.mean(axis=1, keepdims=True)) / np.sqrt(
                views.var(axis=1, keepdims=True) + 1e-5
            )
            x = views.reshape(x.shape)
        if index < len(weights) - 1:
            gain, shift = norms[index]
            x = np.maximum(x * gain + shift, 0)
    return x


@pytest.mark.parametrize("last_norm", [True, False])
def test_equals_numpy_float64_each_view_by_its_own_statistics(jt, rng, last_norm):
    from pipeline.models.batch_norm_mlp import BatchNormMlp
    from pipeline.models.weights import assign_arrays, named_arrays

    mlp = BatchNormMlp(6, 8, 5, 3, last_norm=last_norm)
    arrays = {n: rng.normal(size=a.shape).astype(np.float32) for n, a in named_arrays(mlp).items()}
    assert not any(name.startswith("last") and "norm" in name for name in arrays)
    assign_arrays(mlp, arrays, "test")
    wide = {name: a.astype(np.float64) for name, a in arrays.items()}
    weights = [wide["hidden.0.weight"], wide["hidden.1.weight"], wide["last.weight"]]
    norms = [(wide[f"hidden.{i}.norm.weight"], wide[f"hidden.{i}.norm.bias"]) for i in (0, 1)]
    x, slope = rng.normal(size=(8, 6)) + 3, rng.normal(size=(8, 5))

    def value(x):
        return (reference(x, weights, norms, 2, last_norm) * slope).sum()

    given = jt.array(x.astype(np.float32))
    out = mlp(given, 2)
    np.testing.assert_allclose(out.numpy(), reference(x, weights, norms, 2, last_norm), rtol=1e-3, atol=1e-3)
    (found,) = jt.grad((out * jt.array(slope.astype(np.float32))).sum(), [given])
    expected = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = 1e-6
        expected[index] = (value(x + step) - value(x - step)) / 2e-6
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())
