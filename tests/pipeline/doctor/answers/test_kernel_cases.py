"""Every kernel is asked, all are right, and one that is broken is found by its name."""

import numpy as np
import pytest

from tests.cuda_on_host.loading import use_device_sources

NO_OPERATORS = {
    "BlockWeights",
    "Norm",
    "Sharing",
    "current",
    "current_precision",
    "note",
    "on_device",
    "use",
    "use_precision",
}


@pytest.fixture(params=["fused", "plain", "device"])
def tests(jt, request, monkeypatch):
    """What asks for each kernel, with one of the implementations chosen; "device" as in tests of kernels."""
    from pipeline import kernels
    from pipeline.doctor.answers.kernel_cases import kernel_tests

    if request.param == "device" and not jt.flags.use_cuda:
        use_device_sources(monkeypatch)
    kernels.use("plain" if request.param == "plain" else "fused")
    if kernels.current() == "plain" and request.param != "plain":
        pytest.skip(f"no fused kernels here: {kernels.note()}")
    yield kernel_tests()
    kernels.use("fused")


def wrong(tests) -> list[str]:
    """Names of the kernels whose answer is not right."""
    return [name for name, test in tests.items() if not test().ok]


def test_every_kernel_of_the_package_has_a_case(jt):
    from pipeline import kernels
    from pipeline.doctor.answers.kernel_cases import cases

    assert set(cases(np.random.default_rng(0))) == set(kernels.__all__) - NO_OPERATORS


def test_all_are_right(tests):
    for name, test in tests.items():
        answer = test()
        assert answer.name == name
        assert answer.ok, answer


def scaled(function, factor):
    """The function with its first output times a factor."""

    def broken(*given, **named):
        found = function(*given, **named)
        if isinstance(found, list | tuple):
            return [found[0] * factor, *found[1:]]
        return found * factor

    return broken


BREAKS = [
    ("conv_norm", "plain_conv_norm_relu", "fused_conv_norm_relu", {"conv_norm_relu"}),
    (
        "conv_norm",
        "plain_conv_known_norm_relu",
        "fused_conv_known_norm_relu",
        {"conv_known_norm_relu"},
    ),
    ("convolution", "plain_convolution", "device_convolution", {"convolution"}),
    ("biased_conv", "plain_biased_conv", "fused_biased_conv", {"biased_conv"}),
    ("class_products", "plain_class_products", "fused_class_products", {"class_products"}),
    ("relu_layers", "plain_relu_layers", "fused_relu_layers", {"relu_layers"}),
    ("tokens", "plain_tokens", "fused_tokens", {"tokens"}),
    ("top_down", "plain_top_down", "fused_top_down", {"top_down"}),
    ("depthwise", "plain_depthwise_conv", "fused_depthwise_conv", {"depthwise_conv"}),
    ("cross_entropy", "plain_soft_cross_entropy", "fused_soft_cross_entropy", {"soft_cross_entropy"}),
    (
        "cross_entropy",
        "plain_teacher_probabilities",
        "fused_teacher_probabilities",
        {"teacher_probabilities"},
    ),
    ("normalization", "plain_l2_normalize", "fused_l2_normalize", {"l2_normalize"}),
    ("pooling", "plain_pool_cells", "fused_pool_cells", {"pool_cells"}),
    ("rows", "plain_gather_rows", "fused_gather_rows", {"gather_rows"}),
    (
        "pixel_cross_entropy",
        "plain_pixel_cross_entropy",
        "fused_pixel_cross_entropy",
        {"pixel_cross_entropy"},
    ),
    ("halving", "plain_max_halved", "fused_max_halved", {"max_halved"}),
    ("resample", "plain_resample", "fused_resample", {"resample"}),
    ("resample", "plain_stack_resampled", "fused_stack_resampled", {"stack_resampled"}),
]

# Kernels that call another's, some of them in their plain twin alone.
BUILT_ON = {
    "convolution": {"biased_conv", "conv_known_norm_relu", "conv_norm_relu"},
    "gather_rows": {"class_products", "rows_after", "transformer_block_rows"},
    "soft_cross_entropy": {"prototype_cross_entropy"},
}


@pytest.mark.slow
@pytest.mark.parametrize(("module", "plain", "fused", "names"), BREAKS)
def test_a_factor_of_one_thousandth_too_much_is_found_by_name(
    tests, monkeypatch, module, plain, fused, names
):
    from importlib import import_module

    module = import_module(f"pipeline.kernels.{module}")
    # On a device some of the fused ones give way to their twins, or to one for a device.
    for name in (plain, fused, fused.replace("fused", "device")):
        if name in (plain, fused) or hasattr(module, name):
            monkeypatch.setattr(module, name, scaled(getattr(module, name), 1.001))
    assert names <= set(wrong(tests)) <= names.union(*(BUILT_ON.get(name, ()) for name in names))


def test_a_wrong_gradient_alone_is_found_by_name(jt, monkeypatch):
    """Values are right: the slope of each weight of a linear layer is a thousandth too steep."""
    from pipeline import kernels
    from pipeline.doctor.answers.kernel_cases import kernel_tests
    from pipeline.kernels import dense

    if kernels.current() != "fused":
        pytest.skip("no fused kernels here")
    monkeypatch.setattr(dense, "weight_gradients", scaled(dense.weight_gradients, 1.001))
    # The second layer of an MLP, and layers of rows that are taken together, too.
    assert wrong(kernel_tests()) == ["linear", "mlp", "normed_mlp_mean", "transformer_block_rows"]


@pytest.mark.parametrize("name", ["pixel_cross_entropy", "resample"])
@pytest.mark.parametrize(
    "fault", [lambda grad: -grad, lambda grad: 0.9 * grad, lambda grad: _first_half(grad)]
)
def test_a_gradient_of_maps_that_lost_its_sign_or_a_share_is_found(jt, monkeypatch, name, fault):
    """Values are right; the gradient is turned around, a tenth too small, or lacks half of the maps."""
    from importlib import import_module

    from pipeline import kernels
    from pipeline.doctor.answers.kernel_cases import kernel_tests

    if kernels.current() != "fused":
        pytest.skip("no fused kernels here")
    module = import_module(f"pipeline.kernels.{name}")
    right = module.call

    def broken(called, *given, **named):
        found = right(called, *given, **named)
        return fault(found) if called.endswith("_gradient") else found

    monkeypatch.setattr(module, "call", broken)
    assert wrong({name: kernel_tests()[name]}) == [name]


def _first_half(grad):
    import jittor as jt

    kept = np.zeros(grad.shape, np.float32)
    kept[: grad.shape[0] // 2] = 1
    return grad * jt.array(kept)


def test_what_is_no_number_is_not_right(jt, monkeypatch):
    from pipeline.doctor.answers.kernel_cases import kernel_tests
    from pipeline.kernels import rows

    monkeypatch.setattr(rows, "fused_gather_rows", scaled(rows.fused_gather_rows, float("nan")))
    monkeypatch.setattr(rows, "plain_gather_rows", scaled(rows.plain_gather_rows, float("nan")))
    assert wrong({"gather_rows": kernel_tests()["gather_rows"]}) == ["gather_rows"]
