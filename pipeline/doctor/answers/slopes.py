"""Compares an operator in float32 with a reference in float64: values, and slopes along directions."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_STEP = 1e-5  # of central differences; in float64 this leaves about ten digits of the slope


class Errors(NamedTuple):
    """Largest relative errors."""

    values: float  # relative to the largest value
    slopes: float  # relative to the sum of the absolute values of the slope's terms


def errors(
    operator: Callable,
    reference: Callable[..., np.ndarray],
    arrays: list[np.ndarray],
    rng: np.random.Generator,
) -> Errors:
    """Compare the operator on float32 with the reference on float64.

    The gradient of a random weighting of the output is compared with the reference's central differences.
    Each input is varied along a random direction, and along a random direction with the signs of its
    gradient, in which all terms of the slope add up: there a wrong factor cannot cancel out.

    Args:
        operator: takes and returns Jittor variables.
        reference: takes and returns arrays.
        arrays: the inputs, each with a gradient; if empty, only values are compared.

    Raises:
        ValueError: the shape of the output or of a gradient differs from the reference's.
    """
    import jittor as jt

    arrays = [np.asarray(array, np.float32) for array in arrays]
    exact = [array.astype(np.float64) for array in arrays]
    inputs = [jt.array(array) for array in arrays]
    output, expected = operator(*inputs), reference(*exact)
    weighting = rng.normal(size=expected.shape).astype(np.float32)
    found = _with_shape(output.numpy(), expected.shape)
    gradients = jt.grad((output * jt.array(weighting)).sum(), inputs) if inputs else []
    slopes = [
        _slope_error(
            reference, exact, index, _with_shape(gradient.numpy(), exact[index].shape), weighting, rng
        )
        for index, gradient in enumerate(gradients)
    ]
    values = float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))
    return Errors(values, float(np.max(slopes, initial=0)))


def _slope_error(reference, exact, index, gradient, weighting, rng) -> float:
    """The larger error of the two directions."""
    gradient = gradient.astype(np.float64)
    any_direction = rng.normal(size=gradient.shape)
    same_signs = np.abs(rng.normal(size=gradient.shape)) * np.where(gradient < 0, -1, 1)
    found = []
    for direction in (any_direction, same_signs):
        slope = _slope(reference, exact, index, direction, weighting.astype(np.float64))
        terms = gradient * direction
        found.append(float(abs(terms.sum() - slope) / (np.abs(terms).sum() + 1e-9)))
    return float(np.max(found))  # NaN if one is NaN


def _slope(reference, exact, index, direction, weighting) -> float:
    values = []
    for sign in (1.0, -1.0):
        moved = list(exact)
        moved[index] = exact[index] + sign * _STEP * direction
        values.append((reference(*moved) * weighting).sum())
    return (values[0] - values[1]) / (2 * _STEP)


def _with_shape(found: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if found.shape != shape:
        raise ValueError(f"has shape {found.shape}, expected {shape}")
    return found
