"""Student and teacher: backbone, auxiliary head and, with prototypes, projection head in one network."""

from dataclasses import dataclass

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.config.stages import PretrainConfig
from pipeline.models.auxiliary_heads.base import FeatureMap, auxiliary_head
from pipeline.models.backbones import build_backbone
from pipeline.models.encoder import Tokens
from pipeline.models.initialization import initialize
from pipeline.models.projection_head import ProjectionHead


@dataclass(frozen=True)
class DropPathScales:
    """Stochastic depth of one forward pass, see `pipeline.models.drop_path`."""

    base: jt.Var  # (depth, 2, B)
    auxiliary: jt.Var | None  # (auxiliary depth, B)


@dataclass(frozen=True)
class Encoding:
    """Tokens of a batch before projection."""

    base_cls: jt.Var  # (B, D)
    base_patches: jt.Var | None  # (B, N, D); if some were chosen (P, D), None if that is none
    auxiliary_cls: jt.Var | None  # (B, D); None without an auxiliary head


class EncodingNetwork(nn.Module):
    """A backbone, and the auxiliary head that is discarded after training, if there is one."""

    def __init__(self, config: PretrainConfig):
        super().__init__()
        dim = config.backbone.dim
        auxiliary = config.auxiliary_head
        self.backbone = build_backbone(config.backbone)
        feature_map = FeatureMap(dim=dim, grid=self.backbone.grid, num_heads=config.backbone.map_heads)
        self.auxiliary_head = auxiliary_head(auxiliary, feature_map) if auxiliary else None
        self.detached = auxiliary is not None and auxiliary.detached

    def encode(
        self,
        images: jt.Var,
        mask: jt.Var | None = None,
        drop_path: DropPathScales | None = None,
        *,
        chosen: np.ndarray | None = None,
    ) -> Encoding:
        """Tokens of base and auxiliary head.

        The head reads the patch tokens before the final norm. Unless it is detached, its loss trains the base
        too.

        Args:
            images: (B, 3, H, W).
            mask: (B, h, w) or None.
            drop_path: stochastic depth.
            chosen: (P,) int32 into the (B N) patches: the only ones needed, which may be none; None: all.
        """
        path = drop_path.base if drop_path else None
        if chosen is None:
            tokens = self.backbone(images, mask, path)
        else:
            with_map = self.auxiliary_head is not None
            tokens = self.backbone.chosen_tokens(images, chosen, mask, path, with_map=with_map)
        auxiliary_cls = None
        if self.auxiliary_head is not None:
            feature_map = tokens.feature_map.detach() if self.detached else tokens.feature_map
            auxiliary_cls = self.auxiliary_head(feature_map, drop_path.auxiliary if drop_path else None)
        return Encoding(base_cls=tokens.cls, base_patches=tokens.patches, auxiliary_cls=auxiliary_cls)

    def comparable_vectors(self, tokens: Tokens) -> tuple[jt.Var, jt.Var] | None:
        """Base's and head's vectors in one space, (B, C) each; None if the method has no such space."""
        return None

    def unit_prototypes(self) -> jt.Var | None:
        """(K, C), with which such vectors are compared; None for a method without prototypes."""
        return None


class HSSLNetwork(EncodingNetwork):
    """With projection to prototypes: the network of iBOT and DINO, and of HSSL with either."""

    def __init__(self, config: PretrainConfig, *, shared: bool = True):
        """shared: whether CLS and patches have one prototype layer."""
        super().__init__(config)
        dim, auxiliary = config.backbone.dim, config.auxiliary_head is not None
        self.projection_head = ProjectionHead(config.projection_head, dim, auxiliary=auxiliary, shared=shared)

    def comparable_vectors(self, tokens: Tokens) -> tuple[jt.Var, jt.Var]:
        head = self.projection_head
        base = head.base_tokens(tokens.cls, tokens.patches)[0] if head.norms_rows else head.base(tokens.cls)
        return base, head.auxiliary(self.auxiliary_head(tokens.feature_map))

    def unit_prototypes(self) -> jt.Var:
        return self.projection_head.unit_prototypes()


def build_student_teacher(config: PretrainConfig) -> tuple[HSSLNetwork, HSSLNetwork]:
    """Two networks with equal initial values; the teacher's parameters have no gradient."""
    head = config.projection_head
    student = HSSLNetwork(config, shared=head.shared)
    # Without a patch layer in the student, one in the teacher would have nothing to follow.
    teacher = HSSLNetwork(config, shared=head.shared or head.teacher_shared)
    initialize(student, config.seed)
    initialize_teacher(teacher, config.seed)
    return student, teacher


def initialize_teacher(teacher: EncodingNetwork, seed: int) -> None:
    """Set initial values, equal to the student's for equal names; no parameter has a gradient."""
    initialize(teacher, seed)
    for parameter in teacher.parameters():
        parameter.stop_grad()
