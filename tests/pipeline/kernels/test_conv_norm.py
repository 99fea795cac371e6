import numpy as np
import pytest

from pipeline.doctor.answers.references import conv_norm_relu, convolution
from tests.pipeline.kernels.conftest import assert_close

EPS, MOMENTUM = 1e-5, 0.1


def arrays(rng, shape, out, side):
    return [
        rng.normal(0.5, 1, shape),
        rng.normal(0, 0.3, (out, shape[1], side, side)),
        rng.normal(1, 0.3, out),
        rng.normal(0, 0.5, out),
    ]


def given(kernels, jt, scale, shift, mean=None, variance=None):
    statistics = (np.zeros(scale.shape[0]), np.ones(scale.shape[0])) if mean is None else (mean, variance)
    return kernels.Norm(scale, shift, *(jt.array(s.astype(np.float32)).stop_grad() for s in statistics))


@pytest.mark.parametrize(
    ("shape", "out", "side", "stride"),
    [
        ((2, 3, 5, 7), 4, 3, 1),
        ((3, 5, 4, 4), 17, 1, 1),
        ((2, 16, 9, 6), 33, 3, 2),
        ((4, 6, 2, 2), 5, 3, 1),
        ((8, 3, 1, 1), 2, 1, 1),
        ((2, 3, 8, 8), 5, 5, 2),
        ((4, 20, 24, 40), 32, 3, 1),  # enough for several threads
    ],
)
def test_statistics_of_the_batch(kernels, jt, check, rng, shape, out, side, stride):
    def operator(x, weight, scale, shift):
        norm = given(kernels, jt, scale, shift)
        return kernels.conv_norm_relu(x, weight, norm, stride=stride, eps=EPS, momentum=MOMENTUM)[0]

    def oracle(*given):
        return conv_norm_relu(*given, EPS, stride=stride)

    check(operator, oracle, arrays(rng, shape, out, side), tolerance=1e-5)


def test_running_statistics(kernels, jt, rng):
    x, weight, scale, shift = arrays(rng, (3, 4, 6, 5), 7, 3)
    mean, variance = rng.normal(size=7), rng.uniform(0.5, 2, 7)
    norm = given(kernels, jt, *map(to_float32(jt), (scale, shift)), mean, variance)
    images, filters = map(to_float32(jt), (x, weight))
    _, running = kernels.conv_norm_relu(images, filters, norm, stride=1, eps=EPS, momentum=MOMENTUM)
    z = convolution(x, weight)
    for found, before, of_batch in zip(
        running, (mean, variance), (z.mean((0, 2, 3)), z.var((0, 2, 3))), strict=True
    ):
        assert_close(found.numpy(), before + (of_batch - before) * MOMENTUM, 1e-5)
    assert_close(norm.mean.numpy(), mean, 1e-6)  # not changed


def test_a_gradient_of_the_weights_alone(kernels, jt, rng):
    x, *rest = arrays(rng, (2, 3, 6, 6), 4, 3)
    weight, scale, shift = map(to_float32(jt), rest)

    def gradients(images):
        norm = given(kernels, jt, scale, shift)
        y, _ = kernels.conv_norm_relu(images, weight, norm, stride=1, eps=EPS, momentum=MOMENTUM)
        return [g.numpy() for g in jt.grad((y * y).sum(), [weight, scale, shift])]

    frozen = gradients(to_float32(jt)(x).stop_grad())
    for found, expected in zip(frozen, gradients(to_float32(jt)(x)), strict=True):
        assert np.abs(expected).max() > 0
        assert_close(found, expected, 1e-6)


@pytest.mark.parametrize("with_gradient", [False, True])
def test_given_statistics(kernels, jt, rng, with_gradient):
    values = arrays(rng, (2, 5, 7, 6), 9, 3)
    mean, variance = rng.normal(size=9), rng.uniform(0.5, 2, 9)
    x, weight, scale, shift = map(to_float32(jt), values)
    with jt.enable_grad() if with_gradient else jt.no_grad():
        norm = given(kernels, jt, scale, shift, mean, variance)
        y = kernels.conv_known_norm_relu(x, weight, norm, stride=1, eps=EPS)
        assert_close(y.numpy(), conv_norm_relu(*values, EPS, mean, variance), 1e-5)
        if with_gradient:
            assert np.abs(jt.grad(y.sum(), weight).numpy()).max() > 0


def test_what_is_no_number_becomes_zero_and_shows_in_the_statistics(kernels, jt, rng):
    if kernels.current() == "plain":
        pytest.skip("Jittor compiles its maximum with -Ofast: what is no number may stay (seen: AVX2)")
    x, *rest = arrays(rng, (2, 3, 4, 4), 2, 3)
    x[0, 0, 0, 0] = np.nan
    images, weight, scale, shift = map(to_float32(jt), (x, *rest))
    norm = given(kernels, jt, scale, shift)
    y, running = kernels.conv_norm_relu(images, weight, norm, stride=1, eps=EPS, momentum=MOMENTUM)
    assert np.isfinite(y.numpy()).all()
    assert np.isnan(running[0].numpy()).all()


def test_what_does_not_fit(kernels, jt):
    norm = given(kernels, jt, jt.ones(4), jt.zeros(4))
    with pytest.raises(ValueError, match="conv_norm_relu: x "):
        kernels.conv_norm_relu(
            jt.ones((2, 3, 5, 5)), jt.ones((4, 2, 3, 3)), norm, stride=1, eps=EPS, momentum=0.1
        )
    with pytest.raises(ValueError, match="conv_known_norm_relu: x "):
        kernels.conv_known_norm_relu(jt.ones((2, 3, 5, 5)), jt.ones((5, 3, 3, 3)), norm, stride=1, eps=EPS)


def to_float32(jt):
    return lambda array: jt.array(np.asarray(array, np.float32))
