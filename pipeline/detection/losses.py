"""Losses of boxes and masks with their slopes, finite for every finite input, even an empty one.

A step has a few hundred boxes, and their numbers are in NumPy anyway, where the next boxes are chosen. In
Jittor's operators the same arithmetic is hundreds of calls, each of which takes longer than what it computes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jittor as jt
import numpy as np

from pipeline.kernels.operator import Operator

_MIN_AREA = 1e-6  # square pixels: lower bound of an area in a denominator

# Numbers that are not finite make losses that are not, which the loop refuses.
_silent = np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore")


@dataclass(frozen=True)
class Output:
    """An output of the network, and its numbers, which come from the device once."""

    var: jt.Var
    numbers: np.ndarray

    @classmethod
    def read(cls, var: jt.Var) -> "Output":
        """Waits for the device."""
        return cls(var, var.numpy())


@dataclass(frozen=True, eq=False)
class KnownLoss:
    """A function of an output of the network, whose value and slopes are numbers already."""

    value: float
    var: jt.Var  # float32, the output
    gradient: np.ndarray  # of the value, of the shape of the output

    def __post_init__(self):
        if tuple(self.var.shape) != self.gradient.shape:
            found = f"output {tuple(self.var.shape)}, gradient {self.gradient.shape}"
            raise ValueError(f"KnownLoss: {found}; expected equal shapes")

    def __rmul__(self, factor: float) -> "KnownLoss":
        return KnownLoss(factor * self.value, self.var, factor * self.gradient)

    @classmethod
    def nothing(cls, var: jt.Var) -> "KnownLoss":
        """0, wherever the output moves; it keeps what the output was computed from in the graph."""
        return cls(0.0, var, np.zeros(var.shape, np.float32))


def with_gradients(terms: Mapping[str, Sequence[KnownLoss]]) -> dict[str, jt.Var]:
    """The sum of each term's losses, (1,) float32, which has a gradient to their outputs."""
    names = list(terms)
    losses = [(index, loss) for index, name in enumerate(names) for loss in terms[name]]
    outputs = list({id(loss.var): loss.var for _, loss in losses}.values())
    slopes = [[(index, loss.gradient) for index, loss in losses if loss.var is output] for output in outputs]
    values = [sum(loss.value for loss in terms[name]) for name in names]
    found = _Known(values, slopes)(*outputs)
    return dict(zip(names, found if len(names) > 1 else [found], strict=True))


class _Known(Operator):
    """`slopes`: of each input, the terms that it is in, and their gradients to it."""

    def __init__(self, values: list[float], slopes: list[list[tuple[int, np.ndarray]]]):
        super().__init__()
        self._values, self._slopes = values, slopes

    def execute(self, *outputs: jt.Var) -> jt.Var | tuple[jt.Var, ...]:
        found = [jt.array(np.array([value], np.float32)) for value in self._values]
        return tuple(found) if len(found) > 1 else found[0]

    def grad(self, *value_grads: jt.Var | None) -> list[jt.Var | None]:
        return [self._gradient(slopes, value_grads) for slopes in self._slopes]

    @staticmethod
    def _gradient(
        slopes: list[tuple[int, np.ndarray]], value_grads: Sequence[jt.Var | None]
    ) -> jt.Var | None:
        # Flat, so that one compiled operator serves all shapes.
        parts = [
            jt.array(gradient.astype(np.float32).reshape(-1)) * value_grads[index]
            for index, gradient in slopes
            if value_grads[index] is not None
        ]
        return sum(parts[1:], parts[0]).reshape(slopes[0][1].shape) if parts else None


@_silent
def giou_loss(boxes: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - generalised IoU of pairs of boxes, (n, 4) each.

    Returns:
        (n,) float64 in [0, 2]: 0 for equal boxes, increasing to 2 with their distance; and its slopes in
        `boxes` (n, 4), where two sides meet the mean of both directions.

    Source:
        Generalized Intersection over Union (Rezatofighi et al. 2019), algorithm 1.
    """
    low, high = np.split(boxes.astype(np.float64), 2, axis=1)
    target_low, target_high = np.split(targets.astype(np.float64), 2, axis=1)
    common, in_common = _area(np.minimum(high, target_high) - np.maximum(low, target_low))
    own, in_own = _area(high - low)
    hull, in_hull = _area(np.maximum(high, target_high) - np.minimum(low, target_low))
    union = own + _area(target_high - target_low)[0] - common
    union, of_union = np.maximum(union, _MIN_AREA), (union > _MIN_AREA).astype(np.float64)
    hull, of_hull = np.maximum(hull, _MIN_AREA), (hull > _MIN_AREA).astype(np.float64)
    losses = 2 - common / union - union / hull
    # By the chain rule: first to the areas, then to their sides, then to the edges.
    to_own = (common / union**2 - 1 / hull) * of_union
    to_common = (-1 / union - to_own)[:, None] * in_common
    to_own, to_hull = to_own[:, None] * in_own, (union / hull**2 * of_hull)[:, None] * in_hull
    outer_high, outer_low = _step(high - target_high), _step(target_low - low)
    to_high = to_common * (1 - outer_high) + to_own + to_hull * outer_high
    to_low = -(to_common * (1 - outer_low) + to_own + to_hull * outer_low)
    return losses, np.concatenate([to_low, to_high], axis=1)


def _area(sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas (n,) from sides (n, 2), 0 if a side is negative; and slopes in the sides (n, 2)."""
    positive = np.maximum(sides, 0)
    return positive[:, 0] * positive[:, 1], positive[:, ::-1] * (sides > 0)


def _step(x: np.ndarray) -> np.ndarray:
    """1 above 0, 0 below, and a half at 0."""
    return np.heaviside(x, 0.5)


@_silent
def smooth_l1(x: np.ndarray, target: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Elementwise d - beta / 2, d = |x - target|, or d^2 / (2 beta) for d below beta; and slopes in x."""
    difference = x - target
    distance = np.abs(difference)
    near = distance < beta
    values = np.where(near, 0.5 / beta * distance * distance, distance - 0.5 * beta)
    return values, np.where(near, difference / beta, np.sign(difference))


@_silent
def binary_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Elementwise cross-entropy of sigmoid(logits) with targets in [0, 1], in nats; and slopes."""
    small = np.exp(-np.abs(logits))
    values = np.maximum(logits, 0) + np.log1p(small) - logits * targets
    return values, np.where(logits > 0, 1, small) / (1 + small) - targets


@_silent
def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-log softmax(logits)[label] of each row, in nats.

    Args:
        logits: (n, K).
        labels: (n,) integers in 0..K-1.

    Returns:
        (n,) float64, and slopes in the logits (n, K).
    """
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    slopes = np.exp(shifted)
    sums, own = slopes.sum(axis=1), (np.arange(len(labels)), labels)
    losses = np.log(sums) - shifted[own]
    slopes /= sums[:, None]
    slopes[own] -= 1
    return losses, slopes
