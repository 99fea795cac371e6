import numpy as np
import pytest

from pipeline.doctor.answers.references import attention

# One token; token counts around multiples of the vector length and of the block of queries; odd depths.
SHAPES = [
    (1, 1, 1, 1),
    (2, 17, 3, 32),
    (1, 65, 2, 64),
    (3, 5, 2, 7),
    (1, 48, 1, 16),
    (1, 97, 1, 33),
    (1, 200, 1, 20),
]


@pytest.mark.parametrize(("batch", "tokens", "heads", "depth"), SHAPES)
def test_attention(kernels, check, rng, batch, tokens, heads, depth):
    qkv = rng.normal(size=(batch, tokens, 3 * heads * depth))
    check(lambda x: kernels.attention(x, heads), lambda x: attention(x, heads), [qkv], 1e-5)


def test_large_scores_do_not_overflow(kernels, jt, rng):
    qkv = (rng.normal(size=(1, 19, 48)) * 30).astype(np.float32)
    x = jt.array(qkv)
    out = kernels.attention(x, 2)
    assert np.abs(out.numpy() - attention(qkv.astype(np.float64), 2)).max() < 1e-2
    assert np.isfinite(jt.grad(out.sum(), x).numpy()).all()


def test_the_same_bits_each_time(kernels, jt, rng):
    qkv = jt.array(rng.normal(size=(4, 50, 144)).astype(np.float32))
    found = [jt.grad((kernels.attention(qkv, 3) ** 2).sum(), qkv).numpy() for _ in range(2)]
    assert np.array_equal(*found)


def test_shapes_that_do_not_fit(kernels, jt):
    with pytest.raises(ValueError, match=r"attention: qkv \(1, 4, 10\), 2 heads"):
        kernels.attention(jt.zeros((1, 4, 10)), 2)
