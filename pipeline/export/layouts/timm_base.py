"""A base in timm's layout."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TimmBase:
    """Arrays by timm's names, and the call that builds their network."""

    arrays: dict[str, np.ndarray]
    architecture: str  # a name for `timm.create_model`
    arguments: dict[str, Any]  # that give it this size
    pool: str  # timm's `global_pool`
    # GroupNorm with so many channels per group instead of batch norm; None: as the architecture has it.
    # config.json cannot express it, so only code that builds the network itself can load such a base.
    group_channels: int | None = None
    notes: tuple[str, ...] = ()  # what a reader of the file should know
