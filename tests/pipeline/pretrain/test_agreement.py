"""Losses between views against their formulas in NumPy float64, values and slopes."""

import numpy as np
import pytest

VIEWS, SIZE, WIDTH = 3, 4, 5


def vectors(rng, scale=1.0):
    x = rng.normal(size=(VIEWS * SIZE, WIDTH))
    return scale * x / np.linalg.norm(x, axis=1, keepdims=True)


def log_sum_exp(x):
    top = x.max(axis=-1, keepdims=True)
    return (top + np.log(np.exp(x - top).sum(axis=-1, keepdims=True)))[..., 0]


def info_nce(q, k, temperature):
    total, pairs = 0.0, 0
    for v in range(VIEWS):
        for other in range(VIEWS):
            if v == other:
                continue
            scores = q[v * SIZE : (v + 1) * SIZE] @ k[other * SIZE : (other + 1) * SIZE].T / temperature
            total += 2 * temperature * np.mean(log_sum_exp(scores) - np.diag(scores))
            pairs += 1
    return 2 * total / pairs


def nt_xent(q, k, temperature):
    scores, each = q @ k.T / temperature, []
    for i in range(len(q)):
        others = np.delete(scores[i], i)
        for j in range(len(q)):
            if j != i and j % SIZE == i % SIZE:
                each.append(log_sum_exp(others) - scores[i, j])
    return np.mean(each)


def squared_distance(q, t):
    each = [
        np.sum((q[v * SIZE + b] - t[other * SIZE + b]) ** 2)
        for v in range(VIEWS)
        for other in range(VIEWS)
        if v != other
        for b in range(SIZE)
    ]
    return 2 * np.mean(each)


def slopes(function, x):
    """Central differences in float64."""
    found, step = np.zeros_like(x), 1e-6
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        found[index] = (function(up) - function(down)) / (2 * step)
    return found


def both(jt, loss, *arrays):
    """Value and gradients of a loss of the project."""
    given = [jt.array(a.astype(np.float32)) for a in arrays]
    agreement = loss(*given)
    gradients = [g.numpy() for g in jt.grad(agreement.loss, given)]
    return agreement.loss.item(), gradients, agreement.retrieval


@pytest.mark.parametrize("kernels", ["plain", "fused"])
@pytest.mark.parametrize("temperature", [0.2, 0.003])
def test_info_nce(jt, rng, temperature, kernels):
    from pipeline import kernels as choice
    from pipeline.pretrain import agreement

    choice.use(kernels)
    try:
        q, k = vectors(rng), vectors(rng)
        value, (to_q, to_k), retrieval = both(
            jt, lambda a, b: agreement.info_nce(a, b, VIEWS, temperature), q, k
        )
        assert value == pytest.approx(info_nce(q, k, temperature), rel=1e-5)
        np.testing.assert_allclose(to_q, slopes(lambda x: info_nce(x, k, temperature), q), atol=2e-5)
        assert (to_k == 0).all()
        found = [
            np.argmax(q[v * SIZE + b] @ k[o * SIZE : (o + 1) * SIZE].T) == b
            for v in range(VIEWS) for o in range(VIEWS) if v != o for b in range(SIZE)
        ]  # fmt: skip
        assert retrieval.item() == pytest.approx(np.mean(found))
    finally:
        choice.use("fused")


@pytest.mark.parametrize("temperature", [0.1, 0.003])
def test_nt_xent_of_two_sets_and_of_one(jt, rng, temperature):
    from pipeline.pretrain import agreement

    q, k = vectors(rng), vectors(rng)
    value, (to_q, to_k), _ = both(jt, lambda a, b: agreement.nt_xent(a, b, VIEWS, temperature), q, k)
    assert value == pytest.approx(nt_xent(q, k, temperature), rel=1e-5)
    tolerance = 1e-4 / temperature * 1e-1
    np.testing.assert_allclose(to_q, slopes(lambda x: nt_xent(x, k, temperature), q), atol=tolerance)
    np.testing.assert_allclose(to_k, slopes(lambda x: nt_xent(q, x, temperature), k), atol=tolerance)
    value, (own,), retrieval = both(jt, lambda a: agreement.nt_xent(a, a, VIEWS, temperature), q)
    assert value == pytest.approx(nt_xent(q, q, temperature), rel=1e-5)
    np.testing.assert_allclose(own, slopes(lambda x: nt_xent(x, x, temperature), q), atol=tolerance)
    scores = q @ q.T - 10 * np.eye(len(q))
    assert retrieval.item() == pytest.approx(
        np.mean(scores.argmax(axis=1) % SIZE == np.arange(len(q)) % SIZE)
    )


def test_squared_distance(jt, rng):
    from pipeline.pretrain import agreement

    q, t = vectors(rng), vectors(rng)
    value, (to_q, to_t), _ = both(jt, lambda a, b: agreement.squared_distance(a, b, VIEWS), q, t)
    assert value == pytest.approx(squared_distance(q, t), rel=1e-5)

    # The code uses that both are unit vectors, so slopes are of 4 - 4 mean q . t.
    def on_the_sphere(x):
        return squared_distance(x, t) - 2 * np.mean((x**2).sum(axis=1))

    np.testing.assert_allclose(to_q, slopes(on_the_sphere, q), atol=2e-5)
    assert (to_t == 0).all()


def test_equal_images_cannot_be_told_apart(jt):
    """A collapsed network: the loss is that of guessing, and nothing overflows at a small temperature."""
    from pipeline.pretrain.agreement import info_nce as ours

    same = jt.array(np.tile(np.eye(1, WIDTH), (VIEWS * SIZE, 1)).astype(np.float32))
    assert ours(same, same, VIEWS, 1e-3).loss.item() == pytest.approx(4e-3 * np.log(SIZE), rel=1e-4)
