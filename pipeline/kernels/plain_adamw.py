"""AdamW in Jittor's own operators: for a GPU, and as the twin of the native call."""

from dataclasses import dataclass

import jittor as jt


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters of one step."""

    lr: float
    weight_decay: float
    beta1: float
    beta2: float
    eps: float
    max_gradient_norm: float  # 0: no clipping


def updated(
    parameter: jt.Var, gradient: jt.Var, moments: tuple[jt.Var, jt.Var], steps: int, hyper: Hyper
) -> tuple[jt.Var, tuple[jt.Var, jt.Var]]:
    """New value and new first and second moment of one tensor.

    Args:
        parameter: its value.
        gradient: of the same shape.
        moments: first and second.
        steps: number of updates, this one included.
        hyper: `weight_decay` 0 for a tensor that is not decayed.
    """
    first, second = moments
    if hyper.max_gradient_norm:
        norm = jt.sqrt((gradient * gradient).sum())
        gradient = gradient * jt.minimum(hyper.max_gradient_norm / (norm + 1e-6), 1.0)
    first = hyper.beta1 * first + (1 - hyper.beta1) * gradient
    second = hyper.beta2 * second + (1 - hyper.beta2) * gradient * gradient
    denominator = jt.sqrt(second) * (1 - hyper.beta2**steps) ** -0.5 + hyper.eps
    rate = hyper.lr / (1 - hyper.beta1**steps)
    value = parameter * (1.0 - hyper.lr * hyper.weight_decay) - rate * first / denominator
    return value.stop_grad(), (first.stop_grad(), second.stop_grad())


def replace_value(parameter: jt.Var, value: jt.Var) -> None:
    """Set a parameter's value; whether it requires gradients does not change."""
    trained = not parameter.is_stop_grad()
    parameter.update(value)
    if trained:
        parameter.start_grad()
