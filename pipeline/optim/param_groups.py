"""Selects the parameters to which weight decay applies."""

from collections.abc import Sequence


def decays(name: str, shape: Sequence[int]) -> bool:
    """Whether weight decay applies: to every tensor except biases and one-dimensional ones.

    Source: DINO/iBOT get_params_groups; position embedding and CLS token decay, as there.
    """
    return not (name.endswith("bias") or len(shape) == 1)
