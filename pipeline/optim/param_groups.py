"""Which parameters decay."""

from collections.abc import Sequence


def decays(name: str, shape: Sequence[int]) -> bool:
    """Weight decay for every tensor but biases and one-dimensional ones.

    Source: DINO/iBOT get_params_groups; position embedding and CLS token decay, as there.
    """
    return not (name.endswith("bias") or len(shape) == 1)
