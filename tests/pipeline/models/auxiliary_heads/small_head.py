"""A small auxiliary head of any kind, with weights far from their initial values."""

import numpy as np

from pipeline.config.models import AUXILIARY_HEADS, AuxiliaryHeadConfig

DIM, NUM_HEADS, GRID = 24, 3, (4, 4)
KINDS = tuple(AUXILIARY_HEADS)


def head_config(kind, **changes):
    return AuxiliaryHeadConfig.model_validate({"kind": kind, "kernel_size": 3, "window_size": 3} | changes)


def build(kind, seed=0, **changes):
    from pipeline.models.auxiliary_heads.base import FeatureMap, auxiliary_head
    from pipeline.models.initialization import initialize

    feature_map = FeatureMap(dim=DIM, grid=GRID, num_heads=NUM_HEADS)
    head = auxiliary_head(head_config(kind, **changes), feature_map)
    initialize(head, seed)
    return head


def scrambled(head, rng):
    """The same head with larger weights, so that no output or gradient is near 0."""
    from pipeline.models.weights import assign_arrays, named_arrays

    weights = {
        name: (value * 4 + 0.1 * rng.normal(size=value.shape)).astype(np.float32)
        for name, value in named_arrays(head).items()
    }
    assign_arrays(head, weights, "test")
    return head


def random_map(rng, grid=GRID, batch=2):
    return rng.normal(size=(batch, *grid, DIM)).astype(np.float32)
