import re

import numpy as np
import pytest

from pipeline.doctor.answers.references import soft_cross_entropy, softmax

TEMPERATURE = 0.3
# Rows, channels and pairs: more channels than rows; each row in one pair; rows in several and in none.
SIZES = [
    (3, 5, [0, 0, 1, 2], [0, 1, 0, 1]),
    (9, 4, [*range(9)], [0, 1, 2, 2, 1, 0, 2, 1, 0]),
    (11, 4, [1, 1, 2, 9, 9, 10], [0, 2, 1, 1, 0, 2]),
]


@pytest.mark.parametrize(("rows", "channels", "student_rows", "teacher_rows"), SIZES)
@pytest.mark.parametrize(("rows_at_once", "asked_for"), [(2, False), (2, True), (1000, True)])
def test_prototype_cross_entropy(
    kernels, jt, rng, check, monkeypatch, rows, channels, student_rows, teacher_rows, rows_at_once, asked_for
):
    from pipeline.kernels import prototype_loss as module

    prototypes = 17
    for name in ("_BYTES_AT_ONCE", "_BYTES_AT_ONCE_ON_DEVICE"):
        monkeypatch.setattr(module, name, 4 * prototypes * rows_at_once)
    probs = softmax(rng.normal(size=(3, prototypes)) * 3).astype(np.float32)
    pairs = [np.array(each, dtype=np.int32) for each in (student_rows, teacher_rows)]
    weights = rng.uniform(0.5, 2, len(student_rows)).astype(np.float32)
    loss = soft_cross_entropy(probs.astype(np.float64), *pairs, weights.astype(np.float64), TEMPERATURE)

    def of_teacher():
        return (lambda first, end: jt.array(probs[first:end])) if asked_for else jt.array(probs)

    check(
        lambda x, p: kernels.prototype_cross_entropy(x, p, of_teacher(), *pairs, weights, TEMPERATURE),
        lambda x, p: loss(x @ p.T),
        [rng.normal(size=(rows, channels)), rng.normal(size=(prototypes, channels))],
        1e-5,
    )


def test_a_weighted_loss_has_a_weighted_gradient(kernels, jt, rng):
    x, prototypes = (rng.normal(size=shape).astype(np.float32) for shape in ((6, 2), (7, 2)))
    rows, weights = np.arange(6, dtype=np.int32), np.ones(6, np.float32)
    probs = softmax(rng.normal(size=(6, 7))).astype(np.float32)
    found = []
    for factor in (1.0, -2.5):
        inputs = [jt.array(x), jt.array(prototypes)]
        loss = kernels.prototype_cross_entropy(*inputs, jt.array(probs), rows, rows, weights, TEMPERATURE)
        found.append([gradient.numpy() for gradient in jt.grad(loss * factor, inputs)])
    for once, weighted in zip(*found, strict=True):
        assert np.abs(once).max() > 0.01
        np.testing.assert_allclose(weighted, -2.5 * once, rtol=1e-5, atol=1e-6)


def rows_in_memory(jt, columns: int) -> int:
    """The most rows of a matrix with so many columns that Jittor holds in memory."""
    shapes = (
        re.search(rf",([0-9a-f]+)\)\[(\d+),{columns},\]", node) for node in jt.dump_all_graphs().nodes_info
    )
    return max((int(found[2]) for found in shapes if found and found[1] != "0"), default=0)


def test_no_logits_are_kept(jt, rng):
    from pipeline import kernels

    if kernels.current() != "fused" or jt.flags.use_cuda:
        pytest.skip("for the fused one on a processor")
    count, prototypes = 4096, 2039
    rows, weights = np.arange(count, dtype=np.int32), np.ones(count, np.float32)
    x, units = (jt.array(rng.normal(size=(n, 4)).astype(np.float32)) for n in (count, prototypes))
    probs = jt.array(softmax(rng.normal(size=(1, prototypes))).astype(np.float32))
    logits = kernels.linear(x, units, None)
    pairs = [jt.array(each) for each in (rows, 0 * rows, weights)]
    plain = kernels.soft_cross_entropy(logits, probs, *pairs, TEMPERATURE)
    jt.sync_all()
    assert rows_in_memory(jt, prototypes) == count
    logits = None
    value, plain = plain.item(), None
    loss = kernels.prototype_cross_entropy(x, units, probs, rows, 0 * rows, weights, TEMPERATURE)
    jt.sync_all()
    assert rows_in_memory(jt, prototypes) == 1  # those of the teacher
    np.testing.assert_allclose(loss.item(), value, rtol=1e-5)


def test_what_does_not_fit(kernels, jt):
    rows, weights = np.zeros(5, np.int32), np.ones(5, np.float32)
    with pytest.raises(ValueError, match=r"linear: x \(5, 3\), weight \(4, 2\)"):
        kernels.prototype_cross_entropy(
            jt.ones((5, 3)), jt.ones((4, 2)), jt.ones((1, 4)), rows, rows, weights, 0.1
        )
    with pytest.raises(ValueError, match=r"student_logits \(5, 4\), teacher_probs \(1, 6\)"):
        kernels.prototype_cross_entropy(
            jt.ones((5, 2)), jt.ones((4, 2)), jt.ones((1, 6)), rows, rows, weights, 0.1
        )
    with pytest.raises(ValueError, match="temperature 0"):
        kernels.prototype_cross_entropy(
            jt.ones((5, 2)), jt.ones((4, 2)), jt.ones((1, 4)), rows, rows, weights, 0
        )
