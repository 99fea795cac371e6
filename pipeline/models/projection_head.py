"""Projection to prototypes: an MLP each for base and auxiliary tokens, one or two prototype layers."""

from itertools import pairwise

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.models import ProjectionHeadConfig
from pipeline.models.batch_norm_mlp import BatchNorm
from pipeline.models.layers import LayerNorm, Linear, LinearGelu

_NORM_EPS = 1e-5
ACTIVATIONS = {"gelu": nn.gelu, "relu": nn.relu}  # the exact GELU, not the tanh approximation


class HiddenLayer(Linear):
    """x (M, in_dim) -> activation(norm(Linear(x))) (M, out_dim).

    A batch norm uses the mean and variance of these M rows, in student and teacher alike. There are no
    running statistics: the head is only used on whole batches, also when it is measured, and is discarded
    after training. The teacher of iBOT is normed by its own batch too.
    """

    def __init__(self, config: ProjectionHeadConfig, in_dim: int, out_dim: int):
        super().__init__(in_dim, out_dim)
        self.norms_rows = config.norm == "batch"
        self.norm = None
        if config.norm != "none":
            self.norm = BatchNorm(out_dim, affine=True) if self.norms_rows else LayerNorm(out_dim, _NORM_EPS)
        self.activation = ACTIVATIONS[config.activation]

    def execute(self, x: jt.Var) -> jt.Var:
        x = super().execute(x)
        if self.norm is not None:
            x = self.norm(x, 1) if self.norms_rows else self.norm(x)
        return self.activation(x)


def hidden_layer(config: ProjectionHeadConfig, in_dim: int, out_dim: int) -> Linear:
    """One hidden layer; the published one, GELU without norm, is a single operator."""
    if config.norm == "none" and config.activation == "gelu":
        return LinearGelu(in_dim, out_dim)
    return HiddenLayer(config, in_dim, out_dim)


class ProjectionMlp(nn.Module):
    """x (M, D) -> unit vectors (M, bottleneck_dim)."""

    def __init__(self, config: ProjectionHeadConfig, dim: int):
        super().__init__()
        widths = [dim] + [config.hidden_dim] * (config.num_layers - 1)
        self.hidden = nn.ModuleList([hidden_layer(config, a, b) for a, b in pairwise(widths)])
        self.bottleneck = Linear(widths[-1], config.bottleneck_dim)

    def execute(self, x: jt.Var) -> jt.Var:
        hidden, out = list(self.hidden), self.bottleneck
        last = hidden.pop() if hidden and isinstance(hidden[-1], LinearGelu) else None
        for layer in hidden:
            x = layer(x)
        if last is None:
            return kernels.l2_normalize(out(x))
        # One operator with the last layer: it keeps no values behind the GELU.
        return kernels.l2_normalize(kernels.mlp(x, last.weight, last.bias, out.weight, out.bias))


class ProjectionHead(nn.Module):
    """Base and auxiliary MLPs before weight-normalised prototype layers.

    The published head has one layer for CLS and patches, of unit vectors (`norm_last_layer true`). With
    `shared` false, patches have prototypes of their own; CLS prototypes are still shared by base and
    auxiliary head, which makes their distributions comparable. With `learnt_gain`, every prototype has a
    trained norm.

    Source: HSSL released code (HSSLHead): GELU, no norm, L2-normalised bottleneck, no bias at the end. Its
    branch of separate layers does not run; here it is iBOT's (iBOTHead), as are norms, activations and gain.
    """

    def __init__(self, config: ProjectionHeadConfig, dim: int, auxiliary: bool, *, shared: bool = True):
        """
        Args:
            dim: D of the tokens.
            auxiliary: whether there is an auxiliary head.
            shared: whether CLS and patches have one layer.
        """
        super().__init__()
        self.base = ProjectionMlp(config, dim)
        self.auxiliary = ProjectionMlp(config, dim) if auxiliary else None
        self.norms_rows = config.norm == "batch"
        self.prototypes = jt.zeros((config.num_prototypes, config.bottleneck_dim))
        self.patch_prototypes = None if shared else jt.zeros((config.patch_dim, config.bottleneck_dim))
        # (K, 1): not one-dimensional, so that they decay, as in iBOT.
        self.gain = jt.zeros((config.num_prototypes, 1)) if config.learnt_gain else None
        separate_gain = config.learnt_gain and not shared
        self.patch_gain = jt.zeros((config.patch_dim, 1)) if separate_gain else None

    def unit_prototypes(self) -> jt.Var:
        """(K, bottleneck_dim), rows of norm 1, or of their gain if that is learnt; compute once per step."""
        return _lengthened(self.prototypes, self.gain)

    def unit_patch_prototypes(self) -> jt.Var | None:
        """The patches' own prototypes, likewise; None if they share those of CLS."""
        if self.patch_prototypes is None:
            return None
        return _lengthened(self.patch_prototypes, self.patch_gain)

    def base_tokens(self, cls: jt.Var, patches: jt.Var) -> tuple[jt.Var, jt.Var]:
        """Project all base tokens of one pass together: a batch norm sees them as one batch, as in iBOT.

        Args:
            cls: (B, D). patches: (B, N, D).

        Returns:
            Unit vectors of cls (B, C) and of the patches (B N, C).
        """
        vectors = self.base(jt.concat([cls, patches.reshape(-1, patches.shape[-1])], dim=0))
        return vectors[: cls.shape[0]], vectors[cls.shape[0] :]


# Frozen in the first epochs, like `last_layer` in DINO and iBOT.
LAST_LAYER = frozenset(
    f"projection_head.{name}" for name in ("prototypes", "patch_prototypes", "gain", "patch_gain")
)


def is_hidden_bias(name: str) -> bool:
    """Whether a parameter of a network is the shift of a hidden layer, which a batch norm cancels."""
    *path, owner, last = name.split(".")
    return path[:1] == ["projection_head"] and path[-1:] == ["hidden"] and owner.isdigit() and last == "bias"


def _lengthened(prototypes: jt.Var, gain: jt.Var | None) -> jt.Var:
    units = kernels.l2_normalize(prototypes)
    return units if gain is None else units * gain


def logits(unit_vectors: jt.Var, unit_prototypes: jt.Var) -> jt.Var:
    """Cosine of every vector (M, bottleneck_dim) with every prototype, times its gain: (M, K)."""
    return kernels.linear(unit_vectors, unit_prototypes, None)
