"""Products of factors rounded to bfloat16: against exact products of factors that NumPy rounded."""

import numpy as np
import pytest

from tests.cuda_on_host.loading import use_device_sources
from tests.pipeline.kernels.conftest import assert_close

SHAPES = [((1, 3), 2), ((7, 13), 17), ((2, 5, 31), 33), ((70, 64), 48)]


@pytest.fixture
def rounding(jt):
    """pipeline.kernels, rounding factors to bfloat16."""
    from pipeline import kernels
    from pipeline.runtime.processor import multiplies_bfloat16

    kernels.use("fused")
    if kernels.current() != "fused" or not multiplies_bfloat16():
        pytest.skip("no compiled kernels, or no instructions for bfloat16 here")
    kernels.use_precision("bfloat16")
    yield kernels
    kernels.use_precision("float32")


def rounded(x):
    """To 8 significant bits, ties to even, in float64."""
    mantissa, exponent = np.frexp(np.asarray(x, np.float32).astype(np.float64))
    return np.ldexp(np.round(mantissa * 256) / 256, exponent)


@pytest.mark.parametrize(("shape", "out_dim"), SHAPES)
def test_values_and_gradients(rounding, jt, rng, shape, out_dim):
    x, weight, bias, slope = (
        rng.normal(size=size).astype(np.float32)
        for size in (shape, (out_dim, shape[-1]), (out_dim,), (*shape[:-1], out_dim))
    )
    inputs = [jt.array(x), jt.array(weight), jt.array(bias)]
    output = rounding.linear(*inputs)
    assert_close(output.numpy(), rounded(x) @ rounded(weight).T + bias, 3e-6)
    found = jt.grad((output * jt.array(slope)).sum(), inputs)
    rows, slopes = x.reshape(-1, shape[-1]), slope.reshape(-1, out_dim)
    expected = [
        (rounded(slopes) @ rounded(weight)).reshape(shape),
        rounded(slopes).T @ rounded(rows),
        slopes.sum(axis=0),  # no product: float32 as ever
    ]
    for gradient, exact in zip(found, expected, strict=True):
        assert_close(gradient.numpy(), exact.astype(np.float64), 3e-6)


def test_rounding_is_to_nearest_and_ties_are_even(rounding, jt):
    one = 2.0**-7  # the last bit of 1.xxx in bfloat16
    values = np.array([1 + 0.5 * one, 1 + 1.5 * one, 1 + 0.51 * one, -1 - 0.5 * one, 3e38, 1e-30], np.float32)
    found = rounding.linear(jt.array(values[:, None]), jt.ones((1, 1)), None).numpy()[:, 0]
    assert np.array_equal(found, rounded(values).astype(np.float32))
    assert found[:4].tolist() == [1, 1 + 2 * one, 1 + one, -1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so(rounding, jt, value):
    """Else a broken network would go on in silence."""
    x = np.full((2, 3), 1, np.float32)
    x[0, 1] = value
    found = rounding.linear(jt.array(x), jt.ones((4, 3)), None).numpy()
    assert np.array_equal(np.isfinite(found), [[False] * 4, [True] * 4])


def test_nan_of_any_payload(rounding, jt):
    x = np.array([0x7FFFFFFF, 0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(rounding.linear(jt.array(x[:, None]), jt.ones((1, 1)), None).numpy()).all()


def test_back_to_float32(rounding, jt, rng):
    x, weight = rng.normal(size=(5, 40)).astype("f4"), rng.normal(size=(6, 40)).astype("f4")
    rounding.use_precision("float32")
    found = rounding.linear(jt.array(x), jt.array(weight), None).numpy()
    assert_close(found, x.astype(np.float64) @ weight.T.astype(np.float64), 3e-6)


def test_refused_where_it_would_be_ignored_or_slower(jt, tmp_path, monkeypatch):
    from pipeline import kernels
    from pipeline.kernels import precision

    kernels.use("plain")
    with pytest.raises(ValueError, match=r"needs runtime.kernels = .fused. and, on a CPU, oneDNN"):
        kernels.use_precision("bfloat16")
    kernels.use("fused")
    if kernels.current() != "fused":
        pytest.skip("no compiled kernels here")
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)
    with pytest.raises(ValueError, match="this processor has no instructions for it"):
        kernels.use_precision("bfloat16")


def test_what_the_processor_says(tmp_path):
    from pipeline.runtime.processor import multiplies_bfloat16 as multiplies

    (tmp_path / "new").write_text("model name : X\nflags : fpu avx512_bf16 sse\n")
    (tmp_path / "old").write_text("model name : avx512_bf16\nflags : fpu avx512_bf16x sse\n")
    assert multiplies(tmp_path / "new")
    assert not multiplies(tmp_path / "old")
    assert not multiplies(tmp_path / "missing")


def test_loss_and_gradients_of_a_step_stay_close(rounding, jt, rng):
    """Bounds of ours, several times what was measured here: loss to 8e-5, cosine of gradients 0.99993."""
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.drop_path_masks import draw_drop_path, microbatch_drop_path
    from pipeline.pretrain.methods.method import MethodInput, method_of
    from pipeline.pretrain.step import initial_state
    from tests.pipeline.pretrain.small_run import a_batch, small_config

    config = small_config()
    batch = a_batch(config, rng)
    state = initial_state(config)
    rates = Schedule(config.schedule, config.objective, num_images=4).at(0)
    drop_path = microbatch_drop_path(draw_drop_path(config, batch, 0), 0, 1)
    parameters = state.student.parameters()

    def measured(precision):
        rounding.use_precision(precision)
        inputs = MethodInput(state.method_state, batch, drop_path, rates)
        total = method_of(config).forward(state.networks, inputs).losses.total
        gradients = [gradient.numpy().ravel() for gradient in jt.grad(total, parameters)]
        return total.item(), np.concatenate(gradients).astype(np.float64)

    (near, near_gradient), (exact, gradient) = measured("bfloat16"), measured("float32")
    assert near != exact, "rounding changes something"
    assert near == pytest.approx(exact, rel=5e-4)
    cosine = near_gradient @ gradient / np.linalg.norm(near_gradient) / np.linalg.norm(gradient)
    assert cosine > 0.999


def test_auto_is_float32_on_a_processor(jt):
    from pipeline import kernels

    if jt.flags.use_cuda:
        pytest.skip("for a processor")
    kernels.use_precision("auto")
    assert kernels.current_precision() == "float32"
    with pytest.raises(ValueError, match=r'"tf32" needs a GPU'):
        kernels.use_precision("tf32")


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16")])
def test_auto_goes_by_the_card(jt, monkeypatch, capability, expected):
    from pipeline import kernels
    from pipeline.kernels import precision

    if not jt.flags.use_cuda:
        use_device_sources(monkeypatch)
    monkeypatch.setattr(precision, "architecture", lambda: capability)
    try:
        kernels.use_precision("auto", auto="tf32")  # of fine-tuning
        assert kernels.current_precision() == ("tf32" if expected == "bfloat16" else "float32")
        kernels.use_precision("auto")
        assert kernels.current_precision() == expected
        if expected == "float32":
            with pytest.raises(ValueError, match=r"compute capability 7.5, and cards from 8.0 on"):
                kernels.use_precision("bfloat16")
    finally:
        kernels.use_precision("float32")
