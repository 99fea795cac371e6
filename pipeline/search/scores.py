"""Scores of the candidates of a joint training: discrepancy on held-out images, with its standard error."""

import jittor as jt
import numpy as np

from pipeline.pretrain.discrepancy import BaseAndHead, base_and_head, discrepancies
from pipeline.search.step import JointState

NUM_GROUPS = 16  # of held-out images, for the jackknife: each measure is computed once more per group


def joint_discrepancies(
    state: JointState, crops: np.ndarray, temperature: float
) -> dict[str, dict[str, float]]:
    """Candidate -> "discrepancy_<measure>" -> value; see `discrepancies`."""
    sides = _sides(state, crops)
    return {name: discrepancies(of_one, temperature) for name, of_one in sides.items()}


def candidate_scores(state: JointState, crops: np.ndarray, temperature: float) -> dict[str, dict[str, float]]:
    """Candidate -> "<measure>" and "<measure>_se" -> value; undefined measures are left out."""
    found = {}
    for name, sides in _sides(state, crops).items():
        values, errors = discrepancies(sides, temperature), _errors(sides, temperature)
        found[name] = {key.removeprefix("discrepancy_"): value for key, value in values.items()}
        found[name] |= {f"{key.removeprefix('discrepancy_')}_se": value for key, value in errors.items()}
    return found


def jackknife_error(left_out: list[float]) -> float:
    """Standard error of a value, from the values with each group of images left out; NaN for fewer than two.

    Source: Efron and Tibshirani 1993, chapter 11 (delete-d jackknife over groups).
    """
    values, count = np.asarray(left_out, np.float64), len(left_out)
    if count < 2:
        return float("nan")
    return float(np.sqrt((count - 1) / count * ((values - values.mean()) ** 2).sum()))


def _errors(sides: BaseAndHead, temperature: float) -> dict[str, float]:
    count = len(sides.maps[0])
    # A group takes every NUM_GROUPS-th image, so that it is spread over the held-out part.
    groups = min(NUM_GROUPS, count)
    if count - -(-count // groups) < 2:
        return {}  # too few images are left for a measure
    kept = [np.flatnonzero(np.arange(count) % groups != group) for group in range(groups)]
    left_out = [discrepancies(sides.of(rows), temperature) for rows in kept]
    everywhere = [key for key in left_out[0] if all(key in values for values in left_out)]
    errors = {key: jackknife_error([values[key] for values in left_out]) for key in everywhere}
    return {key: error for key, error in errors.items() if np.isfinite(error)}


def _sides(state: JointState, crops: np.ndarray) -> dict[str, BaseAndHead]:
    """Base and head of every candidate, by one forward pass of the base. crops: (B, 3, S, S)."""
    first = next(iter(state.networks))
    with jt.no_grad():
        tokens = state.published(first).backbone(jt.array(crops))
        return {name: base_and_head(state.published(name), tokens) for name in state.networks}
