"""Teacher centres: a value and its update."""

from dataclasses import dataclass

import jittor as jt


@dataclass(frozen=True)
class Centers:
    """What is subtracted from the teacher's logits before sharpening."""

    cls: jt.Var  # (K,)
    patch: jt.Var  # (K',), K' the prototypes of patches


def initial_centers(num_prototypes: int, num_patch_prototypes: int | None = None) -> Centers:
    """Zeros, as in DINO. Without a number of their own, patches have the prototypes of CLS vectors."""
    return Centers(
        cls=jt.zeros((num_prototypes,)),
        patch=jt.zeros((num_patch_prototypes or num_prototypes,)),
    )


def updated_center(center: jt.Var, mean_logits: jt.Var, momentum: float) -> jt.Var:
    """(K,) -> (K,): moving average of the teacher's mean logits over one optimiser step's rows."""
    return (center * momentum + mean_logits * (1 - momentum)).stop_grad()
