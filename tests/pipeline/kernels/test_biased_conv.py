import numpy as np
import pytest

from pipeline.doctor.answers.references import biased_conv
from tests.pipeline.kernels.conftest import assert_close


def layers_of(rng, count, out, channels, side):
    weights = [rng.normal(0, 0.3, (out, channels, side, side)) for _ in range(count)]
    return [*weights, *(rng.normal(0, 0.5, out) for _ in range(count))]


def table(rng, sizes, channels):
    return rng.normal(0.3, 1, (sum(b * h * w for b, h, w in sizes), channels))


CASES = [
    ([(2, 5, 7)], 1, 3, 4, 3),
    ([(3, 4, 4), (3, 2, 2), (3, 1, 1)], 3, 5, 17, 3),
    ([(2, 9, 6), (2, 5, 3)], 1, 16, 33, 3),
    ([(1, 3, 5), (4, 2, 2)], 2, 6, 5, 1),
    ([(2, 8, 8)], 1, 3, 5, 5),
    ([(4, 24, 24), (4, 12, 12)], 1, 20, 32, 3),  # enough for several threads
]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("sizes", "count", "channels", "out", "side"), CASES)
def test_values_and_slopes(kernels, check, rng, sizes, count, channels, out, side, relu):
    def operator(x, *layers):
        return kernels.biased_conv(x, sizes, layers[:count], layers[count:], relu=relu)

    arrays = [table(rng, sizes, channels), *layers_of(rng, count, out, channels, side)]
    check(operator, biased_conv(sizes, relu=relu), arrays, tolerance=1e-5)


@pytest.mark.parametrize("num_rows", [0, 1, 40, 400])
def test_few_positions_with_slopes(kernels, jt, check, rng, num_rows):
    sizes = [(2, 30, 21), (2, 15, 11)]
    arrays = [table(rng, sizes, 5), *layers_of(rng, 1, 7, 5, 3)]
    used = np.zeros((len(arrays[0]), 1))
    # Corners and edges, where filters reach beyond the map, are among those that are drawn.
    used[rng.permutation([0, 20, 21, 629, 630, 1259, 1260, *range(100, 500)])[:num_rows]] = 1

    def operator(x, weight, bias):
        return kernels.biased_conv(x, sizes, [weight], [bias], relu=True) * jt.array(used.astype(np.float32))

    def oracle(*given):
        return biased_conv(sizes, relu=True)(*given) * used

    if num_rows:
        check(operator, oracle, arrays, tolerance=1e-5)
        return
    given = [jt.array(array.astype(np.float32)) for array in arrays]
    for gradient in jt.grad(operator(*given).sum(), given):
        assert not gradient.numpy().any()


def test_equal_to_torch(kernels, jt, rng):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in ((2 * 6 * 5, 7), (9, 7, 3, 3), (9,))]
    weights = rng.normal(size=(60, 9)).astype(np.float32)
    there = [torch.tensor(array, requires_grad=True) for array in arrays]
    maps = there[0].reshape(2, 6, 5, 7).permute(0, 3, 1, 2)
    expected = torch.relu(torch.nn.functional.conv2d(maps, there[1], there[2], padding=1))
    expected = expected.permute(0, 2, 3, 1).reshape(60, 9)
    (expected * torch.tensor(weights)).sum().backward()
    here = [jt.array(array) for array in arrays]
    found = kernels.biased_conv(here[0], [(2, 6, 5)], here[1:2], here[2:], relu=True)
    assert_close(found.numpy(), expected.detach().numpy(), 1e-5)
    for gradient, other in zip(jt.grad((found * jt.array(weights)).sum(), here), there, strict=True):
        assert_close(gradient.numpy(), other.grad.numpy(), 1e-5)


def test_a_gradient_of_the_layers_alone(kernels, jt, rng):
    sizes = [(2, 4, 4), (2, 2, 2)]
    x, *layers = (jt.array(a.astype(np.float32)) for a in (table(rng, sizes, 3), *layers_of(rng, 1, 4, 3, 3)))

    def gradients(given):
        y = kernels.biased_conv(given, sizes, layers[:1], layers[1:], relu=True)
        return [g.numpy() for g in jt.grad((y * y).sum(), layers)]

    frozen = gradients(jt.array(x.numpy()).stop_grad())
    for found, expected in zip(frozen, gradients(x), strict=True):
        assert np.abs(expected).max() > 0
        assert_close(found, expected, 1e-6)


def test_what_is_no_number_becomes_zero_behind_relu_alone(kernels, jt, rng):
    if kernels.current() == "plain":
        pytest.skip("Jittor compiles its maximum with -Ofast: what is no number may stay (seen: AVX2)")
    x, *layers = (a.astype(np.float32) for a in (table(rng, [(1, 4, 4)], 3), *layers_of(rng, 1, 2, 3, 3)))
    x[0, 0] = np.nan
    given = [jt.array(array) for array in (x, *layers)]
    for relu in (True, False):
        y = kernels.biased_conv(given[0], [(1, 4, 4)], given[1:2], given[2:], relu=relu).numpy()
        assert np.isfinite(y).all() == relu


@pytest.mark.parametrize(
    ("sizes", "weights", "biases"),
    [
        ([(2, 3, 3)], [(4, 2, 3, 3)], [(4,)]),
        ([(2, 3, 4)], [(4, 3, 3, 3)], [(4,)]),
        ([(1, 3, 3), (1, 3, 3)], [(4, 3, 3, 3)] * 3, [(4,)] * 3),
        ([(2, 3, 3)], [(4, 3, 3, 3)], [(5,)]),
        ([(2, 3, 3)], [(4, 3, 2, 2)], [(4,)]),
    ],
)
def test_what_does_not_fit(kernels, jt, sizes, weights, biases):
    given = [[jt.ones(shape) for shape in shapes] for shapes in (weights, biases)]
    with pytest.raises(ValueError, match="biased_conv: x "):
        kernels.biased_conv(jt.ones((18, 3)), sizes, *given, relu=True)
