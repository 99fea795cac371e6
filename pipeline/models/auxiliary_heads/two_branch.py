"""The block shared by attention, pooling and MLP heads: one branch mixes patches, the other channels."""

import jittor as jt
from jittor import nn

from pipeline.models.auxiliary_heads.base import joined


class TwoBranchBlock(nn.Module):
    """x + mixing(norm_mixing(x)), then x + mlp(norm_mlp(x)).

    This project's own choice, the same for every head of this form: without shortcut neither branch has one,
    so that the output is mlp(norm(mixing(norm(x)))) and no patch's own features bypass the mixing, as in a
    ConvNeXt block, whose single shortcut spans both. And stochastic depth drops the two branches together:
    one number per block and image, as in a ConvNeXt block.
    """

    def __init__(
        self,
        *,
        norm_mixing: nn.Module,
        mixing: nn.Module,
        norm_mlp: nn.Module,
        mlp: nn.Module,
        shortcut: bool,
    ):
        super().__init__()
        self.shortcut = shortcut
        self.norm_mixing, self.mixing = norm_mixing, mixing
        self.norm_mlp, self.mlp = norm_mlp, mlp

    def execute(self, x: jt.Var, path_scale: jt.Var | None = None) -> jt.Var:
        """x (B, h, w, D) -> same shape; path_scale (B,)."""
        for norm, branch in ((self.norm_mixing, self.mixing), (self.norm_mlp, self.mlp)):
            x = joined(x, branch(norm(x)), shortcut=self.shortcut, path_scale=path_scale)
        return x
