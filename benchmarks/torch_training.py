"""Optimiser and gradient clipping of the PyTorch programs, with fused and foreach operations."""

from collections.abc import Iterable, Mapping

import torch


def fused_adamw(
    weights: Mapping[str, torch.Tensor], decayed: Mapping[str, bool], *, lr: float, weight_decay: float
) -> torch.optim.AdamW:
    """Fused AdamW. decayed: name -> whether the weight decays."""
    groups: dict[bool, list[torch.Tensor]] = {True: [], False: []}
    for name, weight in weights.items():
        groups[decayed[name]].append(weight)
    return torch.optim.AdamW(
        [
            {"params": groups[True], "weight_decay": weight_decay},
            {"params": groups[False], "weight_decay": 0.0},
        ],
        lr=lr,
        fused=True,
    )


def clip_each(weights: Iterable[torch.Tensor], limit: float) -> None:
    """Clip each tensor's gradient g to g min(1, limit / (|g| + 1e-6)), in place."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    factors = (limit / (torch.stack(torch._foreach_norm(gradients)) + 1e-6)).clamp_(max=1)
    torch._foreach_mul_(gradients, list(factors.unbind()))
