import numpy as np
import pytest

from pipeline.doctor.answers import references

# images, tokens, width, heads, hidden
# The last: threads with images of their own, some of them at a time.
SIZES = [
    (1, 1, 4, 1, 8),
    (2, 7, 12, 3, 20),
    (3, 18, 32, 2, 64),
    pytest.param((7, 140, 8, 2, 12), marks=pytest.mark.slow),
]


def drawn(rng, images, tokens, width, heads, hidden):
    shapes = [(images, tokens, width), (width,), (width,), (3 * width, width), (3 * width,), (width, width)]
    shapes += [(width,), (width,), (width,), (hidden, width), (hidden,), (width, hidden), (width,)]
    return [rng.normal(size=shape) * (0.5 if len(shape) == 2 else 1.0) for shape in shapes]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dropped", [False, True])
def test_values_and_gradients(kernels, jt, check, rng, size, dropped):
    images, heads = size[0], size[3]
    scales = np.where(rng.random((2, images)) < 0.4, 0, 1.25) if dropped else np.ones((2, images))
    given = jt.array(scales.astype(np.float32)) if dropped else None

    def run(x, *weights):
        return kernels.transformer_block(x, kernels.BlockWeights(*weights), heads, 1e-6, given)

    check(run, references.transformer_block(heads, scales), drawn(rng, *size), tolerance=2e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dropped", [False, True])
def test_some_rows(kernels, jt, check, rng, size, dropped):
    """Some of them twice, most of them not at all."""
    images, tokens, width, heads = size[:4]
    scales = np.where(rng.random((2, images)) < 0.4, 0, 1.25) if dropped else np.ones((2, images))
    given = jt.array(scales.astype(np.float32)) if dropped else None
    rows = rng.integers(0, images * tokens, max(2, images * tokens // 3)).astype(np.int32)
    rows[-1] = rows[0]
    whole = references.transformer_block(heads, scales)

    def run(x, *weights):
        block = kernels.BlockWeights(*weights)
        return kernels.transformer_block_rows(x, jt.array(rows), block, heads, 1e-6, given)

    check(run, lambda *all_: whole(*all_).reshape(-1, width)[rows], drawn(rng, *size), tolerance=2e-5)


def test_a_dropped_branch_leaves_the_rows_alone(kernels, jt, rng):
    arrays = [a.astype(np.float32) for a in drawn(rng, 2, 5, 8, 2, 16)]
    x, *weights = map(jt.array, arrays)
    y = kernels.transformer_block(x, kernels.BlockWeights(*weights), 2, 1e-6, jt.zeros((2, 2)))
    assert np.array_equal(y.numpy(), arrays[0])


@pytest.mark.parametrize("size", SIZES)
def test_the_same_where_no_gradient_is_asked(kernels, jt, rng, size):
    x, *weights = (jt.array(a.astype(np.float32)) for a in drawn(rng, *size))
    scales = jt.array(rng.random((2, size[0])).astype(np.float32))
    block = kernels.BlockWeights(*weights)
    expected = kernels.transformer_block(x, block, size[3], 1e-6, scales).numpy()
    with jt.no_grad():
        found = kernels.transformer_block(x, block, size[3], 1e-6, scales).numpy()
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("shape", "heads", "scales", "message"),
    [
        ((4, 8), 2, None, "x \\(4, 8\\), 2 heads"),
        ((2, 4, 8), 3, None, "3 heads"),
        ((2, 4, 8), 2, (2, 3), "drop_path_scales \\(2, 3\\); expected \\(2, 2\\)"),
        ((2, 4, 6), 2, None, "expected"),
    ],
)
def test_shapes_that_do_not_fit(kernels, jt, rng, shape, heads, scales, message):
    _, *weights = (jt.array(a.astype(np.float32)) for a in drawn(rng, 2, 4, 8, 2, 16))
    given = None if scales is None else jt.ones(scales)
    with pytest.raises(ValueError, match=message):
        kernels.transformer_block(jt.zeros(shape), kernels.BlockWeights(*weights), heads, 1e-6, given)
