"""Distributions over prototypes: the teacher's targets and the student's loss."""

from collections.abc import Sequence

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def teacher_probabilities(logits: jt.Var, center: jt.Var, temperature: float) -> jt.Var:
    """logits (M, K), center (K,) -> softmax((logits - center) / temperature) (M, K), without gradient.

    Raises:
        ValueError: the shapes do not fit, or the temperature is not positive.
    """
    if logits.ndim != 2 or tuple(center.shape) != (logits.shape[1],) or logits.numel() == 0:
        shapes = f"logits {tuple(logits.shape)}, center {tuple(center.shape)}"
        raise ValueError(f"teacher_probabilities: {shapes}; expected (M, K), (K,)")
    check_temperature(temperature)
    chosen = fused_teacher_probabilities if selection.fused() else plain_teacher_probabilities
    return chosen(logits, center, temperature)


def soft_cross_entropy(
    student_logits: jt.Var,
    teacher_probs: jt.Var,
    student_rows: jt.Var,
    teacher_rows: jt.Var,
    weights: jt.Var,
    temperature: float,
) -> jt.Var:
    """Sum over pairs of weight x H(teacher_probs[row], softmax(student_logits[row] / temperature)).

    The gradient goes to `student_logits` only, and is zero for a row in no pair. The fused kernel raises
    RuntimeError when it runs if an index is out of range or `student_rows` are not ascending; the plain twin
    does not check.

    Args:
        student_logits: (M, K).
        teacher_probs: (T, K), rows that sum to one.
        student_rows: (P,) int32, ascending; a row may occur in several pairs.
        teacher_rows: (P,) int32.
        weights: (P,).
        temperature: of the student.

    Returns:
        (1,) float32, in nats.

    Raises:
        ValueError: the shapes or types do not fit, or the temperature is not positive.
    """
    check_pairs(student_logits.shape, teacher_probs, student_rows, teacher_rows, weights)
    check_temperature(temperature)
    chosen = fused_soft_cross_entropy if selection.fused() else plain_soft_cross_entropy
    return chosen(student_logits, teacher_probs, student_rows, teacher_rows, weights, temperature)


def plain_teacher_probabilities(logits: jt.Var, center: jt.Var, temperature: float) -> jt.Var:
    return nn.softmax((logits - center).stop_grad() * (1.0 / temperature), dim=1).stop_grad()


def plain_soft_cross_entropy(
    student_logits: jt.Var,
    teacher_probs: jt.Var,
    student_rows: jt.Var,
    teacher_rows: jt.Var,
    weights: jt.Var,
    temperature: float,
) -> jt.Var:
    scaled = student_logits * (1.0 / temperature)
    shifted = scaled - scaled.max(dim=1, keepdims=True).stop_grad()
    log_probs = shifted - jt.log(jt.exp(shifted).sum(dim=1, keepdims=True))
    targets = teacher_probs.stop_grad()[teacher_rows]
    return -((targets * log_probs[student_rows]).sum(dim=1) * weights.stop_grad()).sum()


def fused_teacher_probabilities(logits: jt.Var, center: jt.Var, temperature: float) -> jt.Var:
    arguments = 'in0_shape0, in0_shape1, data["temperature"], in0_p, in1_p, out0_p'
    data = {"temperature": temperature}
    return call("teacher_probabilities", arguments, [logits, center], logits.shape, data=data).stop_grad()


def fused_soft_cross_entropy(
    student_logits: jt.Var,
    teacher_probs: jt.Var,
    student_rows: jt.Var,
    teacher_rows: jt.Var,
    weights: jt.Var,
    temperature: float,
) -> jt.Var:
    pairs = [v.stop_grad() for v in (teacher_probs, student_rows, teacher_rows, weights)]
    return _SoftCrossEntropy()(student_logits, *pairs, temperature)


_TEMPERATURE = 'data["temperature"]'


class _SoftCrossEntropy(Operator):
    def execute(
        self,
        logits: jt.Var,
        probs: jt.Var,
        rows: jt.Var,
        targets: jt.Var,
        weights: jt.Var,
        temperature: float,
    ) -> jt.Var:
        inputs, self.temperature = [logits, probs, rows, targets, weights], temperature
        loss, log_sums = loss_and_log_sums(inputs, temperature)
        self.saved = [*inputs, log_sums]
        return loss

    def grad(self, loss_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        return logits_gradient([*self.saved, loss_grad], self.temperature), None, None, None, None, None


# Parts of the operators here and in `prototype_loss`.


def loss_and_log_sums(inputs: list[jt.Var], temperature: float) -> list[jt.Var]:
    """Inputs: logits, probs, both rows and weights of the pairs -> the loss, and (M,) for its gradient."""
    sizes = f"in0_shape0, in0_shape1, in1_shape0, in2_shape0, {_TEMPERATURE}"
    arguments = f"{sizes}, in0_p, in1_p, in2_p, in3_p, in4_p, out0_p, out1_p"
    shapes, data = ((1,), inputs[0].shape[:1]), {"temperature": temperature}
    return call("soft_cross_entropy", arguments, inputs, *shapes, data=data)


def logits_gradient(inputs: list[jt.Var], temperature: float) -> jt.Var:
    """Inputs: those of the loss, its second output and its gradient."""
    sizes = f"in0_shape0, in0_shape1, in2_shape0, {_TEMPERATURE}"
    arguments = f"{sizes}, in0_p, in1_p, in2_p, in3_p, in4_p, in5_p, in6_p, out0_p"
    data = {"temperature": temperature}
    return call("soft_cross_entropy_gradient", arguments, inputs, inputs[0].shape, data=data)


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not positive."""
    if not temperature > 0:
        raise ValueError(f"temperature {temperature}; expected a positive number")


def check_pairs(
    logits_shape: Sequence[int],
    teacher_probs: jt.Var,
    student_rows: jt.Var | np.ndarray,
    teacher_rows: jt.Var | np.ndarray,
    weights: jt.Var | np.ndarray,
) -> None:
    """Refuse shapes and types that do not fit."""
    logits, probs = tuple(logits_shape), tuple(teacher_probs.shape)
    if len(logits) != 2 or len(probs) != 2 or logits[1] != probs[1] or 0 in logits:
        raise ValueError(
            f"soft_cross_entropy: student_logits {logits}, teacher_probs {probs}; expected (M, K), (T, K)"
        )
    for name, dtype, array in (
        ("student_rows", "int32", student_rows),
        ("teacher_rows", "int32", teacher_rows),
        ("weights", "float32", weights),
    ):
        if (
            array.dtype != dtype
            or array.ndim != 1
            or array.shape[0] != student_rows.shape[0]
            or not len(array)
        ):
            found = f"{array.dtype} {tuple(array.shape)}"
            raise ValueError(
                f"soft_cross_entropy: {name} is {found}; expected {dtype} (P,), P = {student_rows.shape[0]}"
            )
