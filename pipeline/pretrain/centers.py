"""Teacher centres: a value and its update."""

from dataclasses import dataclass

import jittor as jt
import numpy as np


@dataclass(frozen=True)
class Centers:
    """What is subtracted from the teacher's logits before sharpening."""

    cls: jt.Var  # (K,)
    patch: jt.Var  # (K,)


def initial_centers(num_prototypes: int) -> Centers:
    """Zeros, as in DINO."""
    return Centers(cls=jt.zeros((num_prototypes,)), patch=jt.zeros((num_prototypes,)))


def updated_center(center: jt.Var, mean_logits: jt.Var, momentum: float) -> jt.Var:
    """(K,) -> (K,): moving average of the teacher's mean logits over one optimiser step's rows."""
    return (center * momentum + mean_logits * (1 - momentum)).stop_grad()


def centers_to_arrays(centers: Centers) -> dict[str, np.ndarray]:
    """For a checkpoint."""
    return {"cls": centers.cls.numpy().copy(), "patch": centers.patch.numpy().copy()}


def centers_from_arrays(arrays: dict[str, np.ndarray]) -> Centers:
    """Inverse of `centers_to_arrays`."""
    return Centers(cls=jt.array(arrays["cls"]).stop_grad(), patch=jt.array(arrays["patch"]).stop_grad())
