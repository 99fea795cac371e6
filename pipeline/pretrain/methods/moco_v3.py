"""MoCo v3, alone and with HSSL (see `pipeline.pretrain.methods.momentum`).

Source: Chen et al. 2021. Deviations of this project: the position embedding is learned, and initial values
are those of all arms, so that they start equal; biases and norms do not decay.
"""

import jittor as jt

from pipeline.models.hssl import EncodingNetwork
from pipeline.optim.schedules import Rates
from pipeline.pretrain.agreement import Agreement, info_nce
from pipeline.pretrain.methods.momentum import MomentumMethod


class MocoV3(MomentumMethod):
    """Keys are the moving average's; negatives are the other images of the batch."""

    last_norm = True

    def agree(self, queries: jt.Var, keys: jt.Var, num_views: int) -> Agreement:
        return info_nce(queries, keys, num_views, self.config.method.temperature)

    def frozen(self, name: str, student: EncodingNetwork, rates: Rates) -> bool:
        embedding = "backbone.patch_embed.", "backbone.stem.patch_embed."  # a ResNet has none
        frozen_too = self.config.method.freeze_patch_embedding and name.startswith(embedding)
        return frozen_too or super().frozen(name, student, rates)
