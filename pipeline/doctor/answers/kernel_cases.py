"""Every kernel on fixed arrays, compared with its reference in float64."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.doctor.answers import references
from pipeline.doctor.answers.answer import Answer
from pipeline.doctor.answers.slopes import errors

# Relative to the largest value, and to slopes. In float32 the largest error of these cases was 8e-7, compiled
# and plain; with factors rounded to bfloat16, 5e-3 (the device's kernels, built for a processor). tf32 rounds
# less. Other processors and cards add in another order, so the tolerance is several times larger.
TOLERANCES = {"float32": 1e-5, "tf32": 2e-2, "bfloat16": 2e-2}
_EPS = 1e-6
_SEED = 20261128
_REMEDY = (
    'runtime.kernels = "plain" does without it; delete the cache, so that it is compiled again, and see '
    "whether another g++, oneDNN, driver or machine gives the same"
)
_REMEDY_OF_PLAIN = "see whether another g++, driver or machine gives the same; do not train here before"


@dataclass(frozen=True)
class KernelCase:
    """A kernel, its reference, and float64 arrays for both; each array takes a gradient."""

    operator: Callable
    reference: Callable[..., np.ndarray]
    arrays: list[np.ndarray]
    multiplies: bool = False  # has matrix products, which are computed in the precision of the run


def kernel_tests() -> dict[str, Callable[[], Answer]]:
    """The test of each kernel, by name: in float32, and in the current precision of matrix products."""
    from pipeline import kernels

    tests = {}
    for precision in dict.fromkeys(("float32", kernels.current_precision())):
        for name, case in cases(np.random.default_rng(_SEED)).items():
            if precision == "float32":
                tests[name] = partial(_compare, name, case, precision)
            elif case.multiplies:
                tests[f"{name} in {precision}"] = partial(_compare, f"{name} in {precision}", case, precision)
    return tests


def _compare(name: str, case: KernelCase, precision: str) -> Answer:
    from pipeline import kernels

    precision_of_run = kernels.current_precision()
    kernels.use_precision(precision)
    try:
        found = errors(case.operator, case.reference, case.arrays, np.random.default_rng(_SEED))
    finally:
        kernels.use_precision(precision_of_run)
    text = f"off by {found.values:.0e}"
    if case.arrays:
        text += f", gradient by {found.slopes:.0e}"
    error = float(np.max([found.values, found.slopes]))
    remedy = _REMEDY if kernels.current() == "fused" else _REMEDY_OF_PLAIN
    return Answer(name, text, "as in float64", error, TOLERANCES[precision], remedy)


def cases(rng: np.random.Generator) -> dict[str, KernelCase]:
    """One case per kernel of `pipeline.kernels`, by its name; sizes are no multiples of vectors and tiles."""
    import jittor as jt

    from pipeline import kernels

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return scale * rng.normal(size=shape)

    rows, tokens = (np.array(each, np.int32) for each in ([3, 3, 0, 66, 3], [0, 53, 18, 7, 18]))
    mask = rng.random((3, 9)) < 0.4
    scales = np.where(rng.random((2, 3)) < 0.4, 0, 1.25)
    heads, side = 2, 8
    taps = _taps(rng)
    probs = references.softmax(3 * normal(4, 1003)).astype(np.float32)
    pairs = [np.array(each, np.int32) for each in ([1, 1, 1, 4], [0, 3, 3, 1])]
    weights = rng.uniform(0.5, 2, 4).astype(np.float32)
    logits, center = (rng.uniform(-1, 1, shape).astype(np.float32) for shape in ((4, 1003), 1003))
    norm = [1 + normal(33, scale=0.3), normal(33)]
    layer = [normal(48, 33, scale=33**-0.5), normal(48)]
    layers = [*layer, normal(21, 48, scale=48**-0.5), normal(21)]
    width, hidden = 32, 64
    block = [normal(width), normal(width), normal(3 * width, width, scale=0.2), normal(3 * width)]
    block += [normal(width, width, scale=0.2), normal(width), normal(width), normal(width)]
    block += [
        normal(hidden, width, scale=0.2),
        normal(hidden),
        normal(width, hidden, scale=0.2),
        normal(width),
    ]

    axes = [np.tril(normal(11, 5), 1), np.tril(normal(3, 7), 2)]
    label_maps = rng.integers(-1, 5, (2, 19, 17)).astype(np.int32)
    convolution = [normal(2, 5, 9, 11), normal(19, 5, 3, 3, scale=0.2), 1 + normal(19, scale=0.3), normal(19)]
    statistics = normal(19), rng.uniform(0.5, 2, 19)
    sizes, classes = [(2, 9, 7), (2, 3, 4)], np.array([5, 0, 2, 0], np.int32)
    filters = [normal(19, 5, 3, 3, scale=0.2) for _ in sizes]

    def of(array: np.ndarray):
        return jt.array(array.astype(np.float32) if array.dtype == np.float64 else array)

    return {
        "add_to_channels": KernelCase(
            kernels.add_to_channels,
            lambda x, bias: x + bias[:, None, None],
            [normal(2, 19, 9, 11), normal(19)],
        ),
        "attention": KernelCase(
            lambda x: kernels.attention(x, heads),
            lambda x: references.attention(x, heads),
            [normal(2, 65, 3 * heads * 20)],
            multiplies=True,
        ),
        "batch_norm": KernelCase(
            lambda *given: kernels.batch_norm(*given, _EPS)[0],
            lambda *given: references.batch_norm(*given, _EPS),
            [normal(2, 19, 9, 11), *convolution[2:]],
        ),
        "biased_conv": KernelCase(
            lambda x, *layers: kernels.biased_conv(x, sizes, layers[:2], layers[2:], relu=True),
            references.biased_conv(sizes, relu=True),
            [normal(sum(b * h * w for b, h, w in sizes), 5), *filters, normal(19), normal(19)],
        ),
        "class_products": KernelCase(
            lambda *given: kernels.class_products(*given, jt.array(classes)),
            references.class_products(classes),
            [normal(4, 9, 33), normal(6, 33), normal(6)],
        ),
        "conv_known_norm_relu": KernelCase(
            lambda: _conv_known_norm_relu(*map(of, convolution), *map(of, statistics)),
            lambda: references.conv_norm_relu(*convolution, _EPS, *statistics),
            [],
        ),
        "conv_norm_relu": KernelCase(
            lambda *given: _conv_norm_relu(*given, *map(of, statistics)),
            lambda *given: references.conv_norm_relu(*given, _EPS),
            convolution,
        ),
        "convolution": KernelCase(
            lambda *given: kernels.convolution(*given, stride=2, channels_first=True),
            lambda x, weight, bias: references.convolution(x, weight, 2) + bias[:, None, None],
            [normal(2, 9, 7, 8), normal(19, 9, 3, 3, scale=0.2), normal(19)],
        ),
        "depthwise_conv": KernelCase(
            kernels.depthwise_conv,
            references.depthwise_conv,
            [normal(3, 6, 9, 33), normal(7, 7, 33), normal(33)],
        ),
        "gather_rows": KernelCase(
            lambda x: kernels.gather_rows(x, jt.array(rows)), lambda x: x[rows], [normal(67, 33)]
        ),
        "image_patches": KernelCase(
            lambda images: kernels.image_patches(images, side),
            references.image_patches(side),
            [normal(2, 3, 16, 24)],
        ),
        "l2_normalize": KernelCase(kernels.l2_normalize, references.l2_normalize, [normal(67, 33) + 0.1]),
        "layer_norm": KernelCase(
            lambda *given: kernels.layer_norm(*given, _EPS), references.layer_norm, [normal(67, 33), *norm]
        ),
        "linear": KernelCase(kernels.linear, references.linear, [normal(67, 33), *layer], multiplies=True),
        "linear_gelu": KernelCase(
            kernels.linear_gelu,
            lambda *given: references.gelu(references.linear(*given)),
            [normal(67, 33), *layer],
            multiplies=True,
        ),
        "max_halved": KernelCase(kernels.max_halved, references.max_halved, [normal(2, 7, 10, 3)]),
        "mean_positions": KernelCase(kernels.mean_positions, lambda x: x.mean(axis=1), [normal(2, 196, 12)]),
        "mlp": KernelCase(kernels.mlp, references.mlp, [normal(67, 33), *layers], multiplies=True),
        "normed_linear": KernelCase(
            lambda x, g, b, *of_layer: kernels.normed_linear(x, g, b, _EPS, *of_layer),
            lambda x, g, b, *of_layer: references.linear(references.layer_norm(x, g, b), *of_layer),
            [normal(67, 33), *norm, *layer],
            multiplies=True,
        ),
        "normed_mlp": KernelCase(
            lambda x, g, b, *of_layers: kernels.normed_mlp(x, g, b, _EPS, *of_layers),
            lambda x, g, b, *of_layers: references.mlp(references.layer_norm(x, g, b), *of_layers),
            [normal(67, 33), *norm, *layers],
            multiplies=True,
        ),
        "normed_mlp_mean": KernelCase(
            lambda x, g, b, *of_layers: kernels.normed_mlp_mean(x, g, b, _EPS, *of_layers),
            lambda x, g, b, *of_layers: references.mlp(references.layer_norm(x, g, b), *of_layers).mean(
                axis=1
            ),
            [normal(5, 67, 33), *norm, *layers],
            multiplies=True,
        ),
        "pixel_cross_entropy": KernelCase(
            lambda x: kernels.pixel_cross_entropy(x, jt.array(label_maps), 500.0),
            references.pixel_cross_entropy(label_maps, 500.0),
            [rng.uniform(-1, 1, (2, 5, 19, 17))],
        ),
        "pool_cells": KernelCase(
            lambda table: kernels.pool_cells(table, *map(of, taps)),
            references.pool_cells(*taps),
            [normal(15, 17)],
        ),
        "prototype_cross_entropy": KernelCase(
            lambda x, prototypes: kernels.prototype_cross_entropy(
                x, prototypes, of(probs), *pairs, weights, 0.3
            ),
            lambda x, prototypes: references.soft_cross_entropy(
                probs.astype(np.float64), *pairs, weights.astype(np.float64), 0.3
            )(x @ prototypes.T),
            [normal(5, 3, scale=0.5), normal(1003, 3, scale=0.5)],  # more rows than channels: no logits kept
            multiplies=True,
        ),
        "relu_layers": KernelCase(
            lambda x, *given: _joined(kernels.relu_layers(x, *_layers(given, hidden=1))),
            lambda *given: np.concatenate(references.relu_layers(1)(*given), axis=1),
            [
                normal(67, 33),
                *(layers[i] for i in (0, 2)),
                normal(5, 48),
                *(layers[i] for i in (1, 3)),
                normal(5),
            ],
            multiplies=True,
        ),
        "resample": KernelCase(
            lambda x: kernels.resample(x, *(matrix.astype(np.float32) for matrix in axes)),
            references.resample(*axes),
            [normal(2, 3, 5, 7)],
        ),
        "rows_after": KernelCase(lambda x: kernels.rows_after(x, 2), lambda x: x[:, 2:], [normal(3, 7, 33)]),
        "soft_cross_entropy": KernelCase(
            lambda x: kernels.soft_cross_entropy(x, of(probs), *map(of, pairs), of(weights), 0.1),
            references.soft_cross_entropy(probs.astype(np.float64), *pairs, weights.astype(np.float64), 0.1),
            [rng.uniform(-1, 1, (5, 1003))],
        ),
        "stack_resampled": KernelCase(
            lambda *maps: kernels.stack_resampled(
                maps, [None, tuple(matrix.astype(np.float32) for matrix in axes), None]
            ),
            lambda first, second, third: np.concatenate(
                [first, references.resample(*axes)(second), third], axis=1
            ),
            [normal(2, 3, 11, 3), normal(2, 2, 5, 7), normal(2, 1, 11, 3)],
        ),
        "teacher_probabilities": KernelCase(
            lambda: kernels.teacher_probabilities(of(logits), of(center), 0.05),
            lambda: references.softmax((logits.astype(np.float64) - center) / 0.05),
            [],
        ),
        "scale_channels": KernelCase(
            kernels.scale_channels, lambda x, scale, shift: x * scale + shift, [normal(67, 33), *norm]
        ),
        "sum_of_all": KernelCase(
            kernels.sum_of_all, lambda x: x.sum(keepdims=True).reshape(1), [normal(7, 33)]
        ),
        "with_token": KernelCase(
            lambda x, token: kernels.with_token(x, jt.array(mask[..., None]), token),
            lambda x, token: np.where(mask[..., None], token, x),
            [normal(3, 9, 33), normal(33)],
        ),
        "tokens": KernelCase(
            lambda p, c, at, m: kernels.tokens(p, c, at, jt.array(mask), m),
            references.tokens(mask),
            [normal(3, 9, 8), normal(1, 8), normal(10, 8), normal(1, 8)],
        ),
        "top_down": KernelCase(
            lambda *maps: kernels.top_down(maps),
            references.top_down,
            [normal(2, 7, 10, 3), normal(2, 4, 5, 3), normal(2, 2, 3, 3)],
        ),
        "transformer_block": KernelCase(
            lambda x, *given: kernels.transformer_block(
                x, kernels.BlockWeights(*given), heads, _EPS, of(scales)
            ),
            references.transformer_block(heads, scales),
            [normal(3, 18, width), *block],
            multiplies=True,
        ),
        "transformer_block_rows": KernelCase(
            lambda x, *given: kernels.transformer_block_rows(
                x, of(tokens), kernels.BlockWeights(*given), heads, _EPS, of(scales)
            ),
            lambda *given: references.transformer_block(heads, scales)(*given).reshape(-1, width)[tokens],
            [normal(3, 18, width), *block],
            multiplies=True,
        ),
    }


def _conv_known_norm_relu(x, weight, *norm):
    import jittor as jt

    from pipeline import kernels

    with jt.no_grad():
        return kernels.conv_known_norm_relu(x, weight, kernels.Norm(*norm), stride=1, eps=_EPS)


def _conv_norm_relu(x, weight, *norm):
    from pipeline import kernels

    given = kernels.Norm(*norm)
    return kernels.conv_norm_relu(x, weight, given, stride=1, eps=_EPS, momentum=0.1)[0]


def _layers(given, hidden: int):
    """Weights, then biases -> hidden layers and heads."""
    pairs = list(zip(given[: len(given) // 2], given[len(given) // 2 :], strict=True))
    return pairs[:hidden], pairs[hidden:]


def _joined(outputs):
    import jittor as jt

    return jt.concat(outputs, dim=1)


def _taps(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Interpolation of three boxes on a map of 3 x 5 cells: rows, their weights, columns, their weights."""
    rows, columns = (rng.integers(bound, size=(3, 2, 4)) for bound in (3, 5))
    weights = [(rng.random(rows.shape) * (rng.random(rows.shape) < 0.8)).astype(np.float32) for _ in range(2)]
    return (5 * rows).astype(np.int32), weights[0], columns.astype(np.int32), weights[1]
