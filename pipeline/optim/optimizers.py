"""Builds the optimiser that a schedule names. All clip, decay and freeze in the same way."""

from typing import Protocol

import jittor as jt
import numpy as np

from pipeline.config.stages import ScheduleConfig
from pipeline.kernels.adamw import AdamW
from pipeline.optim.param_groups import decays
from pipeline.optim.sgd_lars import MomentumDescent


class Optimizer(Protocol):
    """Interface of an optimiser for training steps and checkpoints; see `pipeline.kernels.adamw.AdamW`."""

    def step(
        self, gradients: list[jt.Var], *, lr: float, weight_decay: float, frozen: frozenset[int] = frozenset()
    ) -> None:
        """Update the parameters in place."""

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the optimiser's moments and counters."""

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Restore what `state` returned; anything else is an error."""


def build_optimizer(named: list[tuple[str, jt.Var]], schedule: ScheduleConfig) -> Optimizer:
    """A new optimiser of the named parameters, with zero moments."""
    parameters = [parameter for _, parameter in named]
    common = {
        "decayed": [decays(name, parameter.shape) for name, parameter in named],
        "max_gradient_norm": schedule.max_gradient_norm,
    }
    if schedule.optimizer == "adamw":
        return AdamW(parameters, betas=schedule.betas, **common)
    trust = schedule.trust_coefficient if schedule.optimizer == "lars" else None
    return MomentumDescent(parameters, momentum=schedule.momentum, trust_coefficient=trust, **common)
