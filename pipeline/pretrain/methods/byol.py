"""BYOL, alone and with HSSL (see `pipeline.pretrain.methods.momentum`).

Source: Grill et al. 2020: batch norm in hidden layers only, no negatives.
"""

import jittor as jt

from pipeline.pretrain.agreement import Agreement, squared_distance
from pipeline.pretrain.methods.momentum import MomentumMethod


class Byol(MomentumMethod):
    """The student's prediction for one view is matched with the moving average's projection of another."""

    last_norm = False

    def agree(self, queries: jt.Var, keys: jt.Var, num_views: int) -> Agreement:
        return squared_distance(queries, keys, num_views)
