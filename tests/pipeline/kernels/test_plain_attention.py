import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.doctor.answers.references import attention
from tests.pipeline.kernels.conftest import assert_close

PROC = Path("/proc/self")
# Tokens, pairs of image and head, and weights at once: all in one part; several pairs in a part; parts of one
# pair, of equal and of unequal length; one query at a time, as many weights as allowed and more.
PARTS = [(5, 6, 1000), (5, 7, 60), (20, 3, 200), (21, 3, 200), (19, 2, 100), (7, 2, 7), (7, 3, 1), (1, 4, 1)]


@pytest.fixture
def plain(jt):
    from pipeline.kernels import plain_attention

    return plain_attention


@pytest.mark.parametrize(("tokens", "pairs", "limit"), PARTS)
def test_parts_cover_every_query_once_within_the_limit(plain, tokens, pairs, limit):
    count = np.zeros((pairs, tokens), int)
    for some, queries in plain.parts(pairs, tokens, limit):
        for rows in queries:
            count[some, rows] += 1
            assert (some.stop - some.start) * (rows.stop - rows.start) * tokens <= max(limit, tokens)
    assert (count == 1).all()


def test_a_short_sequence_is_one_part(plain):
    # ViT-S/16 at 224 pixels, 64 images.
    assert list(plain.parts(64 * 6, 197, plain.MAX_WEIGHTS)) == [(slice(0, 384), [slice(0, 197)])]


def test_parts_of_a_photograph(plain):
    # 800 x 1333 pixels at patch 16, ViT-B: as few parts as the limit allows, of nearly equal size.
    found = list(plain.parts(12, 50 * 84 + 1, plain.MAX_WEIGHTS))
    assert len(found) == 12
    lengths = {rows.stop - rows.start for _, queries in found for rows in queries}
    assert lengths == {2100, 2101}


@pytest.mark.parametrize(
    ("batch", "tokens", "heads", "depth", "limit"),
    [
        (2, 23, 3, 7, 1 << 24),  # one part
        (2, 23, 3, 7, 23 * 23 * 2),  # two pairs in a part
        (3, 23, 1, 7, 23 * 23 * 2),  # the last part has one pair
        (2, 23, 3, 7, 23 * 5),  # five parts for a pair: 4, 5, 4, 5, 5 queries
        (1, 64, 2, 16, 64 * 16),  # parts of equal length
        (1, 33, 2, 5, 1),  # one query at a time
        (1, 1, 1, 3, 1),
    ],
)
def test_every_division_gives_the_same_numbers(plain, check, rng, batch, tokens, heads, depth, limit):
    qkv = rng.normal(size=(batch, tokens, 3 * heads * depth))
    check(lambda x: plain.plain_attention(x, heads, limit), lambda x: attention(x, heads), [qkv], 1e-5)


def test_large_scores_in_parts_do_not_overflow(plain, jt, rng):
    qkv = (rng.normal(size=(1, 19, 48)) * 30).astype(np.float32)
    x = jt.array(qkv)
    out = plain.plain_attention(x, 2, 19 * 4)
    assert np.abs(out.numpy() - attention(qkv.astype(np.float64), 2)).max() < 1e-2
    assert np.isfinite(jt.grad(out.sum(), x).numpy()).all()


@pytest.mark.parametrize("limit", [1 << 24, 131 * 40])
def test_equal_to_the_fused_kernel(plain, jt, rng, limit):
    from pipeline import kernels
    from pipeline.kernels.self_attention import fused_attention

    if kernels.current() != "fused":
        pytest.skip(f"no fused kernels here: {kernels.note()}")
    x = jt.array(rng.normal(size=(2, 131, 3 * 3 * 20)).astype(np.float32))
    weighting = jt.array(rng.normal(size=(2, 131, 60)).astype(np.float32))
    found, expected = plain.plain_attention(x, 3, limit), fused_attention(x, 3)
    assert_close(found.numpy(), expected.numpy(), 3e-6)
    slopes = [jt.grad((out * weighting).sum(), x).numpy() for out in (found, expected)]
    assert_close(*slopes, 3e-6)


def test_equal_to_torch(plain, jt, rng):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    heads, depth = 3, 20
    qkv = rng.normal(size=(2, 131, 3 * heads * depth)).astype(np.float32)
    weighting = rng.normal(size=(2, 131, heads * depth)).astype(np.float32)
    exact = torch.tensor(qkv, dtype=torch.float64, requires_grad=True)
    query, key, value = exact.reshape(2, 131, 3, heads, depth).permute(2, 0, 3, 1, 4)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    expected = expected.transpose(1, 2).reshape(2, 131, heads * depth)
    (expected * torch.tensor(weighting)).sum().backward()
    x = jt.array(qkv)
    found = plain.plain_attention(x, heads, 131 * 40)
    assert_close(found.numpy(), expected.detach().numpy(), 3e-6)
    assert_close(jt.grad((found * jt.array(weighting)).sum(), x).numpy(), exact.grad.numpy(), 3e-6)


@pytest.mark.skipif(not PROC.exists(), reason="the operators of a process are read from /proc")
def test_the_same_operators_for_every_number_of_parts(plain, jt, rng):
    """Jittor compiles nothing more for a sequence that falls into other parts, as each image size does."""

    def operators_after(tokens):
        x = jt.array(rng.normal(size=(1, tokens, 96)).astype(np.float32))
        jt.grad((plain.plain_attention(x, 2, 1000) ** 2).sum(), x).sync()
        lines = (PROC / "maps").read_text().splitlines()
        return {line.split()[-1] for line in lines if "/jit/" in line}

    # 3, then 5, 10 and 15 parts for a head.
    first = operators_after(50)
    assert first
    assert all(operators_after(tokens) == first for tokens in (64, 99, 113))


SCRIPT = """
from pipeline.runtime.start_jittor import start
start("cpu")
import numpy as np, jittor as jt
from pipeline.kernels.plain_attention import plain_attention

def run(tokens, limit):
    x = jt.array(np.random.default_rng(0).normal(size=(1, tokens, 96)).astype(np.float32))
    jt.grad((plain_attention(x, 4, limit) ** 2).sum(), x).sync()

def peak_kilobytes():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

run(60, 600)
before = peak_kilobytes()
run(3000, 1 << 18)
print(1024 * (peak_kilobytes() - before))
"""


@pytest.mark.skipif(not PROC.exists(), reason="the peak memory of a process is read from /proc")
def test_memory_does_not_grow_with_the_square_of_the_tokens(plain):
    """Forward and backward over 4 heads of 3000 tokens: their weights are 144 MB, those of a part 1 MB."""
    root = Path(__file__).resolve().parents[3]
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, check=True
    )
    assert int(found.stdout.split()[-1]) < 30e6
