"""Whole optimiser steps in PyTorch float64: losses, gradients, AdamW, teacher and centres."""

from dataclasses import dataclass
from typing import Any

import torch

from tests.oracles import torch_hssl, torch_methods

# A smaller gradient is rounding noise, as for a shift that a batch norm cancels: the weight is unchanged.
NO_GRADIENT = 1e-12


@dataclass
class TorchBatch:
    global_crops: Any
    local_crops: Any
    masks: Any


def to_torch(batch) -> TorchBatch:
    return TorchBatch(
        torch.tensor(batch.global_crops).double(),
        torch.tensor(batch.local_crops).double(),
        torch.tensor(batch.masks),
    )


def drop_path_of(config, batch, drawn):
    """Convert what `draw_drop_path` drew to the oracle's form."""
    depth = config.auxiliary_head.depth if config.auxiliary_head else 0
    drop_path = {}
    for views in ("global", "local"):
        auxiliary = torch.tensor(drawn[f"{views} auxiliary"]).double()
        # Without a head, an empty tensor, which is indexed by view and never read.
        drop_path[views] = {
            "base": torch.tensor(drawn[f"{views} base"]).double(),
            "auxiliary": auxiliary[:, 0]
            if depth
            else torch.zeros(0, batch.masks.shape[0] + len(batch.local_crops)),
        }
    return drop_path


def losses_of(student, teacher, config, batch, centers, rate, drawn):
    """Loss terms, and the means for the update of the centres, of any method."""
    if config.method.name != "ibot":
        return torch_methods.losses(student, teacher, config, to_torch(batch)), {}
    temperatures = rate.teacher_temperature, rate.patch_temperature
    drop_path = drop_path_of(config, batch, drawn)
    return torch_hssl.losses(student, teacher, config, to_torch(batch), centers, temperatures, drop_path)


def is_frozen(name, config):
    """MoCo v3 leaves its random patch embedding as it is."""
    embedding = name.startswith("backbone.patch_embed.")
    return embedding and config.method.name == "mocov3" and config.method.freeze_patch_embedding


def steps(config, student, teacher, batches, rates, drop_paths):
    """Yields (terms, gradients, centres) of each step and leaves the parameters updated.

    Args:
        student: name -> float64 tensor; likewise the teacher, which may be None.
        drop_paths: for each step, what `draw_drop_path` drew.
    """
    from pipeline.optim.param_groups import decays

    centers = {"cls": torch.zeros(config.projection_head.num_prototypes).double(), "patch": 0.0}
    for parameter in student.values():
        parameter.requires_grad_(True)
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in student.items()}
    for step, (batch, rate, drawn) in enumerate(zip(batches, rates, drop_paths, strict=True)):
        terms, means = losses_of(student, teacher, config, batch, centers, rate, drawn)
        gradients = torch.autograd.grad(terms["total"], list(student.values()), allow_unused=True)
        gradients = {
            name: torch.zeros_like(student[name]) if g is None or g.abs().max() < NO_GRADIENT else g
            for name, g in zip(student, gradients, strict=True)
        }
        with torch.no_grad():
            for name, parameter in student.items():
                g = gradients[name]
                if not g.any() or is_frozen(name, config):
                    continue
                limit = config.schedule.max_gradient_norm
                g = g * min(1.0, limit / (float(g.norm()) + 1e-6))
                if decays(name, parameter.shape):
                    parameter.mul_(1 - rate.lr * rate.weight_decay)
                m, v = moments[name]
                m.mul_(0.9).add_(0.1 * g)
                v.mul_(0.999).add_(0.001 * g * g)
                corrected = v / (1 - 0.999 ** (step + 1))
                parameter.sub_(rate.lr * (m / (1 - 0.9 ** (step + 1))) / (corrected.sqrt() + 1e-8))
            for name, parameter in (teacher or {}).items():
                parameter.mul_(rate.ema_momentum).add_((1 - rate.ema_momentum) * student[name])
        centers = {name: 0.9 * centers[name] + 0.1 * mean for name, mean in means.items()}
        yield {name: float(value.detach()) for name, value in terms.items()}, gradients, centers
