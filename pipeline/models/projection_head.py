"""Projection to prototypes: an MLP each for base and auxiliary tokens, one shared prototype layer."""

from itertools import pairwise

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.models import ProjectionHeadConfig
from pipeline.models.layers import Linear, LinearGelu


class ProjectionMlp(nn.Module):
    """x (M, D) -> unit vectors (M, bottleneck_dim)."""

    def __init__(self, config: ProjectionHeadConfig, dim: int):
        super().__init__()
        widths = [dim] + [config.hidden_dim] * (config.num_layers - 1)
        self.hidden = nn.ModuleList([LinearGelu(a, b) for a, b in pairwise(widths)])
        self.bottleneck = Linear(widths[-1], config.bottleneck_dim)

    def execute(self, x: jt.Var) -> jt.Var:
        for layer in self.hidden:
            x = layer(x)
        return kernels.l2_normalize(self.bottleneck(x))


class ProjectionHead(nn.Module):
    """Base and auxiliary MLPs in front of one weight-normalised prototype layer.

    The prototypes are unit vectors (gain fixed at 1: `norm_last_layer true`) and shared, which is what
    makes the distributions of base and auxiliary tokens comparable.

    Source: HSSL released code (HSSLHead): GELU, no norm, L2-normalised bottleneck, no bias at the end.
    """

    def __init__(self, config: ProjectionHeadConfig, dim: int, auxiliary: bool):
        super().__init__()
        self.base = ProjectionMlp(config, dim)
        self.auxiliary = ProjectionMlp(config, dim) if auxiliary else None
        self.prototypes = jt.zeros((config.num_prototypes, config.bottleneck_dim))

    def unit_prototypes(self) -> jt.Var:
        """(K, bottleneck_dim), rows of norm 1; compute once a step and pass to `logits`."""
        return kernels.l2_normalize(self.prototypes)


def logits(unit_vectors: jt.Var, unit_prototypes: jt.Var) -> jt.Var:
    """Cosine of every vector (M, bottleneck_dim) with every prototype: (M, K), in [-1, 1]."""
    return kernels.linear(unit_vectors, unit_prototypes, None)
