"""A base as timm has it."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TimmBase:
    """Arrays by timm's names, and the call that makes their network."""

    arrays: dict[str, np.ndarray]
    architecture: str  # a name that `timm.create_model` knows
    arguments: dict[str, Any]  # that make it of this size
    pool: str  # timm's `global_pool`
    # GroupNorm with so many channels in each group in place of batch norm; None: as the architecture has it.
    # config.json cannot say it, so only code that builds the network itself can load such a base.
    group_channels: int | None = None
    notes: tuple[str, ...] = ()  # what a reader of the file should know
