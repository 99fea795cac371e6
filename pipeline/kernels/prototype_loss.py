"""The cross-entropy of distributions over prototypes, from vectors in place of logits."""

from collections.abc import Callable, Iterator

import jittor as jt
import numpy as np

from pipeline.kernels import selection
from pipeline.kernels.cross_entropy import (
    check_pairs,
    check_temperature,
    logits_gradient,
    loss_and_log_sums,
    soft_cross_entropy,
)
from pipeline.kernels.dense import check_layers, forward, input_gradient, linear, weight_gradient
from pipeline.kernels.operator import Operator

# Of the logits that exist at once; a device computes faster in fewer, larger parts.
_BYTES_AT_ONCE, _BYTES_AT_ONCE_ON_DEVICE = 4 << 20, 128 << 20

TeacherRows = Callable[[int, int], jt.Var]


def prototype_cross_entropy(
    vectors: jt.Var,
    prototypes: jt.Var,
    teacher_probs: jt.Var | TeacherRows,
    student_rows: np.ndarray,
    teacher_rows: np.ndarray,
    weights: np.ndarray,
    temperature: float,
) -> jt.Var:
    """`soft_cross_entropy` of the logits linear(vectors, prototypes, None).

    With more rows than channels, logits take more memory than the gradients of vectors and prototypes. The
    fused one then computes these gradients beside the loss, a few rows at a time, and keeps no logits.

    Args:
        vectors: (M, C).
        prototypes: (K, C).
        teacher_probs: (T, K), rows that sum to one, without gradient; or what computes rows first...end - 1
            of them when they are needed: all at once take as much memory as the logits.
        student_rows: (P,) int32, ascending; a row may occur in several pairs.
        teacher_rows: (P,) int32.
        weights: (P,) float32.
        temperature: of the student.

    Returns:
        (1,) float32, in nats.

    Raises:
        ValueError: the shapes or types do not fit, or the temperature is not positive.
    """
    pairs = student_rows, teacher_rows, weights
    few = vectors.shape[0] <= vectors.shape[-1]
    if few or jt.flags.no_grad or not selection.fused_matmul():
        probs = (
            teacher_probs if isinstance(teacher_probs, jt.Var) else teacher_probs(0, teacher_rows.max() + 1)
        )
        given = map(jt.array, pairs)
        return soft_cross_entropy(linear(vectors, prototypes, None), probs, *given, temperature)
    check_layers(vectors, (prototypes, None))
    check_temperature(temperature)
    return _PrototypeCrossEntropy()(vectors, prototypes, teacher_probs, *pairs, temperature)


class _PrototypeCrossEntropy(Operator):
    def execute(
        self,
        vectors: jt.Var,
        prototypes: jt.Var,
        teacher_probs: jt.Var | TeacherRows,
        student_rows: np.ndarray,
        teacher_rows: np.ndarray,
        weights: np.ndarray,
        temperature: float,
    ) -> jt.Var:
        loss = of_prototypes = None
        of_vectors = []
        for first, end in _parts(vectors.shape[0], prototypes.shape[0]):
            part = vectors[first:end]
            own = slice(*np.searchsorted(student_rows, [first, end]))
            if own.start == own.stop:
                of_vectors.append(jt.zeros(part.shape))
                continue
            probs, targets = _compared(teacher_probs, teacher_rows[own])
            logits, rows = forward(part, prototypes), student_rows[own] - np.int32(first)
            check_pairs(logits.shape, probs, rows, targets, weights[own])
            inputs = [logits, probs, *map(jt.array, (rows, targets, weights[own]))]
            of_part, log_sums = loss_and_log_sums(inputs, temperature)
            # The loss is linear in the gradient that arrives later: here it is one.
            of_logits = logits_gradient([*inputs, log_sums, jt.ones(1)], temperature)
            of_vectors.append(input_gradient(of_logits, prototypes))
            slope = weight_gradient(of_logits, part)
            loss = of_part if loss is None else loss + of_part
            # Sums that Jittor fuses would be computed together, at the end, with all their terms in memory.
            of_prototypes = slope if of_prototypes is None else (of_prototypes + slope).stop_fuse()
        self.saved = of_vectors, of_prototypes
        return loss

    def grad(self, loss_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        of_vectors, of_prototypes = self.saved
        # Joined after the product: what Jittor joins, it writes in place. It would wait for the place, which
        # is made after all parts, and so would each part's logits.
        joined = jt.concat([part * loss_grad for part in of_vectors], dim=0)
        return joined, of_prototypes * loss_grad, *[None] * 5


def _compared(teacher_probs: jt.Var | TeacherRows, teacher_rows: np.ndarray) -> tuple[jt.Var, np.ndarray]:
    """Distributions that hold those of the rows, and the rows in them."""
    if isinstance(teacher_probs, jt.Var):
        return teacher_probs.stop_grad(), teacher_rows
    first = int(teacher_rows.min())
    return teacher_probs(first, int(teacher_rows.max()) + 1), teacher_rows - np.int32(first)


def _parts(rows: int, prototypes: int) -> Iterator[tuple[int, int]]:
    """First row and end of each part."""
    limit = _BYTES_AT_ONCE_ON_DEVICE if selection.on_device() else _BYTES_AT_ONCE
    step = max(1, limit // (4 * prototypes))
    return ((first, min(first + step, rows)) for first in range(0, rows, step))
