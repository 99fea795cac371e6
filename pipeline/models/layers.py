"""Linear layer, layer norm and MLP, with fused kernels.

Parameters are created as zeros; `pipeline.models.initialization` draws their values, so that a tensor's
initial value depends only on the seed and its name, not on what was built before it.
"""

import jittor as jt
from jittor import nn

from pipeline import kernels


class Linear(nn.Module):
    """x (..., in_dim) -> (..., out_dim); after a layer norm if one is given."""

    def __init__(self, in_dim: int, out_dim: int):
        super().__init__()
        self.weight = jt.zeros((out_dim, in_dim))
        self.bias = jt.zeros((out_dim,))

    def execute(self, x: jt.Var, norm: "LayerNorm | None" = None) -> jt.Var:
        if norm is None:
            return kernels.linear(x, self.weight, self.bias)
        return kernels.normed_linear(x, norm.weight, norm.bias, norm.eps, self.weight, self.bias)


class LinearGelu(Linear):
    """x (..., in_dim) -> GELU(Linear(x)) (..., out_dim), exact (erf) GELU."""

    def execute(self, x: jt.Var) -> jt.Var:
        return kernels.linear_gelu(x, self.weight, self.bias)


class LayerNorm(nn.Module):
    """Layer norm over the last dimension."""

    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = jt.zeros((dim,))
        self.bias = jt.zeros((dim,))

    def execute(self, x: jt.Var) -> jt.Var:
        return kernels.layer_norm(x, self.weight, self.bias, self.eps)


class Mlp(nn.Module):
    """x (..., in_dim) -> (..., out_dim), one hidden GELU layer; after a layer norm if one is given."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int):
        super().__init__()
        self.expand = LinearGelu(in_dim, hidden_dim)
        self.contract = Linear(hidden_dim, out_dim)

    def execute(self, x: jt.Var, norm: LayerNorm | None = None) -> jt.Var:
        layers = self.expand.weight, self.expand.bias, self.contract.weight, self.contract.bias
        if norm is None:
            return kernels.mlp(x, *layers)
        return kernels.normed_mlp(x, norm.weight, norm.bias, norm.eps, *layers)

    def mean(self, x: jt.Var, norm: LayerNorm) -> jt.Var:
        """x (B, h, w, in_dim) -> mean over the positions of self(x, norm) (B, out_dim)."""
        positions = x.reshape(x.shape[0], -1, x.shape[-1])
        layers = self.expand.weight, self.expand.bias, self.contract.weight, self.contract.bias
        return kernels.normed_mlp_mean(positions, norm.weight, norm.bias, norm.eps, *layers)
