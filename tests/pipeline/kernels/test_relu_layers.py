import numpy as np
import pytest

from pipeline.doctor.answers.references import relu_layers
from tests.pipeline.kernels.conftest import assert_close


def pairs_of(given, hidden):
    """Weights, then biases -> hidden layers and heads."""
    pairs = list(zip(given[: len(given) // 2], given[len(given) // 2 :], strict=True))
    return pairs[:hidden], pairs[hidden:]


def arrays_of(rng, rows, dims, heads):
    """x, weights of the layers between `dims` and of the heads, and their biases."""
    sizes = [*zip(dims[1:], dims[:-1], strict=True), *((out, dims[-1]) for out in heads)]
    weights = [rng.normal(0, size[1] ** -0.5, size) for size in sizes]
    return [rng.normal(0.3, 1, (rows, dims[0])), *weights, *(rng.normal(0, 0.5, size[0]) for size in sizes)]


CASES = [
    (5, (3, 4), ()),
    (67, (33, 48, 21), (5, 4)),
    (4, (9,), (3, 2)),
    (1, (2, 3), (1,)),
    (300, (40, 64), (17,)),
]


@pytest.mark.parametrize(("rows", "dims", "heads"), CASES)
def test_values_and_slopes_of_every_output(kernels, check, jt, rng, rows, dims, heads):
    hidden = len(dims) - 1

    def operator(x, *given):
        return jt.concat(kernels.relu_layers(x, *pairs_of(given, hidden)), dim=1)

    def oracle(*given):
        return np.concatenate(relu_layers(hidden)(*given), axis=1)

    check(operator, oracle, arrays_of(rng, rows, dims, heads), tolerance=1e-5)


def test_a_head_without_a_loss(kernels, jt, rng):
    """What arrives from the other head alone is the gradient."""
    x, *given = (jt.array(a.astype(np.float32)) for a in arrays_of(rng, 6, (5, 7), (3, 2)))
    hidden, heads = pairs_of(given, 1)
    first, _ = kernels.relu_layers(x, hidden, heads)
    found = jt.grad((first * first).sum(), [x, *hidden[0], *heads[0], *heads[1]])
    (alone,) = kernels.relu_layers(x, hidden, heads[:1])
    expected = jt.grad((alone * alone).sum(), [x, *hidden[0], *heads[0]])
    for one, other in zip(found[:5], expected, strict=True):
        assert np.abs(other.numpy()).max() > 0
        assert_close(one.numpy(), other.numpy(), 1e-6)
    assert not any(each.numpy().any() for each in found[5:])


def test_a_gradient_of_the_layers_alone(kernels, jt, rng):
    x, *given = (jt.array(a.astype(np.float32)) for a in arrays_of(rng, 6, (5, 7), (3,)))

    def gradients(rows):
        (y,) = kernels.relu_layers(rows, *pairs_of(given, 1))
        return [g.numpy() for g in jt.grad((y * y).sum(), given)]

    for found, expected in zip(gradients(jt.array(x.numpy()).stop_grad()), gradients(x), strict=True):
        assert np.abs(expected).max() > 0
        assert_close(found, expected, 1e-6)


def test_what_is_no_number_becomes_zero(kernels, jt):
    x = jt.array(np.full((2, 3), np.nan, np.float32))
    (y,) = kernels.relu_layers(x, [(jt.ones((4, 3)), jt.ones(4))])
    assert not y.numpy().any()


def test_what_does_not_fit(kernels, jt):
    layer = jt.ones((4, 3)), jt.ones(4)
    with pytest.raises(ValueError, match="linear: x "):
        kernels.relu_layers(jt.ones((2, 3)), [layer], [layer])
    with pytest.raises(ValueError, match="relu_layers: x "):
        kernels.relu_layers(jt.ones((2, 3)), [])
    with pytest.raises(ValueError, match="relu_layers: x "):
        kernels.relu_layers(jt.ones((2, 2, 3)), [layer])
