import numpy as np
import pytest

from pipeline.doctor.answers.references import soft_cross_entropy, softmax


@pytest.mark.parametrize(("rows", "prototypes"), [(1, 3), (5, 17), (3, 5003)])
@pytest.mark.parametrize("temperature", [0.04, 0.07])
def test_teacher_probabilities(kernels, jt, rng, rows, prototypes, temperature):
    logits, center = rng.uniform(-1, 1, (rows, prototypes)), rng.uniform(-1, 1, prototypes)
    logits, center = logits.astype(np.float32), center.astype(np.float32)
    found = kernels.teacher_probabilities(jt.array(logits), jt.array(center), temperature)
    expected = softmax((logits.astype(np.float64) - center) / temperature)
    assert np.abs(found.numpy() - expected).max() < 1e-5
    assert np.abs(found.numpy().sum(1) - 1).max() < 1e-5
    assert found.is_stop_grad()


# Pairs: one; rows in several pairs and in none; more pairs than rows.
PAIRS = [
    (1, 1, 3, [0], [0]),
    (5, 4, 17, [1, 1, 1, 4], [0, 3, 3, 1]),
    (3, 2, 5003, [0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1]),
]


@pytest.mark.parametrize(("rows", "targets", "prototypes", "student_rows", "teacher_rows"), PAIRS)
def test_soft_cross_entropy(kernels, jt, rng, check, rows, targets, prototypes, student_rows, teacher_rows):
    probs = softmax(rng.normal(size=(targets, prototypes)) * 3).astype(np.float32)
    weights = rng.uniform(0.5, 2, len(student_rows)).astype(np.float32)
    pairs = [jt.array(np.array(r, dtype=np.int32)) for r in (student_rows, teacher_rows)]
    check(
        lambda x: kernels.soft_cross_entropy(x, jt.array(probs), *pairs, jt.array(weights), 0.1),
        soft_cross_entropy(
            probs.astype(np.float64), student_rows, teacher_rows, weights.astype(np.float64), 0.1
        ),
        [rng.uniform(-1, 1, (rows, prototypes))],
        1e-5,
    )


def test_no_gradient_reaches_rows_without_pair_or_the_teacher(kernels, jt, rng):
    x, probs = (
        jt.array(rng.normal(size=(4, 6)).astype(np.float32)),
        jt.array(np.full((2, 6), 1 / 6, np.float32)),
    )
    rows = jt.array(np.array([1, 3], np.int32)), jt.array(np.array([1, 0], np.int32))
    loss = kernels.soft_cross_entropy(x, probs, *rows, jt.ones(2), 0.1)
    gradient = jt.grad(loss, x).numpy()
    assert not gradient[[0, 2]].any()
    assert gradient[[1, 3]].any(1).all()
    assert not jt.grad(kernels.soft_cross_entropy(x, probs, *rows, jt.ones(2), 0.1), probs).numpy().any()


def test_logits_far_apart_do_not_overflow(kernels, jt):
    x = jt.array(np.array([[1000.0, -1000.0, 0.0]], np.float32))
    rows = jt.zeros(1, dtype="int32")
    loss = kernels.soft_cross_entropy(
        x, jt.array(np.array([[1, 0, 0]], np.float32)), rows, rows, jt.ones(1), 0.1
    )
    assert loss.item() == 0
    assert np.abs(jt.grad(loss, x).numpy()).max() < 1e-30


def test_rows_that_do_not_exist_or_descend_are_refused(jt):
    from pipeline import kernels

    if kernels.current() != "fused":
        pytest.skip("the plain twin cannot tell")
    for rows, message in (
        (np.array([0, 2], np.int32), "expected ascending rows below 2"),
        (np.array([1, 0], np.int32), "expected ascending rows below 2"),
    ):
        inputs = [jt.ones((2, 3)), jt.ones((2, 3)), jt.array(rows), jt.zeros(2, dtype="int32"), jt.ones(2)]
        with pytest.raises(RuntimeError, match=message):
            kernels.soft_cross_entropy(*inputs, 0.1).sync()


def test_what_does_not_fit(kernels, jt):
    rows = jt.zeros(2, dtype="int32")
    with pytest.raises(ValueError, match=r"student_logits \(2, 3\), teacher_probs \(2, 4\)"):
        kernels.soft_cross_entropy(jt.ones((2, 3)), jt.ones((2, 4)), rows, rows, jt.ones(2), 0.1)
    with pytest.raises(ValueError, match=r"weights is float32 \(3,\); expected float32 \(P,\), P = 2"):
        kernels.soft_cross_entropy(jt.ones((2, 3)), jt.ones((2, 3)), rows, rows, jt.ones(3), 0.1)
    with pytest.raises(ValueError, match="temperature 0"):
        kernels.teacher_probabilities(jt.ones((2, 3)), jt.ones(3), 0)
