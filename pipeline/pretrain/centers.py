"""The centres of the teacher's logits, and their update."""

from dataclasses import dataclass

import jittor as jt


@dataclass(frozen=True)
class Centers:
    """Subtracted from the teacher's logits before sharpening."""

    cls: jt.Var  # (K,)
    patch: jt.Var  # (K',), K' the number of patch prototypes


def initial_centers(num_prototypes: int, num_patch_prototypes: int | None = None) -> Centers:
    """Zeros, as in DINO. Without `num_patch_prototypes`, patches have as many prototypes as CLS vectors."""
    return Centers(
        cls=jt.zeros((num_prototypes,)),
        patch=jt.zeros((num_patch_prototypes or num_prototypes,)),
    )


def updated_center(center: jt.Var, mean_logits: jt.Var, momentum: float) -> jt.Var:
    """(K,) -> (K,): moving average of the teacher's mean logits over the rows of one optimiser step."""
    return (center * momentum + mean_logits * (1 - momentum)).stop_grad()
