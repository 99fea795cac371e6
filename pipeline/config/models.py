"""Auxiliary head, projection head and objective."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.config.section import NonNegative, PositiveInt, Section, Share
from pipeline.models.auxiliary_heads.kinds import BLOCKS, HeadNumbers

# The numeric settings of each kind of head, with defaults.
AUXILIARY_HEADS: dict[str, dict[str, int | None]] = {name: kind.keys for name, kind in BLOCKS.items()}


def _known_kind(kind: str) -> str:
    if kind not in AUXILIARY_HEADS:
        raise ValueError(f"unknown kind of head; choose from {list(AUXILIARY_HEADS)}")
    return kind


HeadKind = Annotated[str, AfterValidator(_known_kind)]


class AuxiliaryHeadConfig(HeadNumbers):
    """The auxiliary head: blocks of another architecture, as wide as the backbone; only for pretraining.

    Of `HeadNumbers`, a kind uses those that `AUXILIARY_HEADS` lists for it; the others become None, whatever
    was given, so that changing `kind` needs no other change.
    """

    kind: HeadKind = "convnext"
    depth: PositiveInt = 3  # blocks
    # The published head has none: no identity path from base to head. In a block with two branches, such as
    # a transformer's, neither branch then has a shortcut: this project's choice.
    first_shortcut: bool = False
    # Stop the gradient between base and head: the head's loss then trains the head alone, and the base learns
    # only from the head's teacher (L_het). The published head is not detached.
    detached: bool = False

    @model_validator(mode="before")
    @classmethod
    def _resolved(cls, values):
        """Fill in the settings that the kind has, and set all others to None."""
        if not isinstance(values, dict):
            return values
        defaults = AUXILIARY_HEADS.get(str(values.get("kind", "convnext")))
        if defaults is None:
            return values
        given = {name: values[name] for name in defaults if values.get(name) is not None}
        kept = {name: value for name, value in values.items() if name not in HeadNumbers.model_fields}
        return {**kept, **defaults, **given}

    @model_validator(mode="after")
    def _mixes_patches(self) -> "AuxiliaryHeadConfig":
        BLOCKS[self.kind].check(self)
        return self

    @property
    def shortcuts(self) -> tuple[bool, ...]:
        """Whether each block has shortcut (residual) connections."""
        return (self.first_shortcut, *[True] * (self.depth - 1))

    def check_width(self, dim: int) -> None:
        """Refuse a head that does not fit the backbone's feature map.

        Raises:
            ValueError: the attention heads do not divide its width `dim`.
        """
        if self.num_heads is not None and dim % self.num_heads:
            raise ValueError(
                f"auxiliary_head.num_heads {self.num_heads} does not divide the backbone's width {dim}"
            )


class ProjectionHeadConfig(Section):
    """Two separate MLPs (base, auxiliary), followed by one or two prototype layers that they share."""

    hidden_dim: PositiveInt = 2048  # of the MLPs' hidden layers
    num_layers: int = Field(default=3, ge=1)  # of each MLP
    bottleneck_dim: PositiveInt = 256  # of the vectors that are compared with prototypes
    num_prototypes: int = Field(default=8192, ge=2)
    # One prototype layer for CLS and patches, in the student and in the teacher. The teacher's layers follow
    # the student's, so a teacher has its own patch layer only if the student has one.
    shared: bool = True
    teacher_shared: bool = True
    num_patch_prototypes: int | None = Field(default=None, ge=2)  # None: num_prototypes
    norm: Literal["none", "layer", "batch"] = "none"  # after each hidden layer of the MLPs
    activation: Literal["gelu", "relu"] = "gelu"
    learnt_gain: bool = False  # the prototypes' norms are trained, from 1 on; else they stay 1

    @model_validator(mode="after")
    def _comparable(self) -> "ProjectionHeadConfig":
        if self.patch_dim != self.num_prototypes and (self.shared or self.teacher_shared):
            raise ValueError(
                f"num_patch_prototypes {self.patch_dim} beside num_prototypes {self.num_prototypes} "
                "needs shared = false and teacher_shared = false: a shared layer has one number of prototypes"
            )
        return self

    @property
    def patch_dim(self) -> int:
        """Number of prototypes of the patches."""
        return self.num_prototypes if self.num_patch_prototypes is None else self.num_patch_prototypes


class RegularisationConfig(Section):
    """Stochastic depth of the student."""

    # The rate grows linearly over base and auxiliary blocks together, as in the official code.
    drop_path_rate: Share = 0.1


class ObjectiveConfig(Section):
    """The three loss terms: L = 0.5 cls_weight (L_het + L_aux) + patch_weight L_mim."""

    cls_weight: NonNegative = 1.0  # of L_het and L_aux, or of the CLS loss without the head
    patch_weight: NonNegative = 1.0  # of L_mim
    student_temperature: float = Field(default=0.1, gt=0)
    teacher_temperature: float = Field(default=0.07, gt=0)  # of CLS targets, after the warm-up
    teacher_temperature_start: float = Field(default=0.04, gt=0)  # at the start of the warm-up
    teacher_temperature_warmup_epochs: NonNegative = 50
    patch_temperature: float = Field(default=0.07, gt=0)  # of patch targets, after the warm-up
    patch_temperature_start: float = Field(default=0.04, gt=0)  # at the start of the warm-up
    patch_temperature_warmup_epochs: NonNegative = 50
    # No patch is masked and there is no patch loss before this epoch; the patch temperature warms up from it.
    patch_start_epoch: NonNegative = 0
    # False: the patch loss is computed on the same patches, but the student sees them.
    patches_hidden: bool = True
    center_momentum: Share = 0.9  # of the moving mean that centres CLS targets
    patch_center_momentum: Share = 0.9  # of the one that centres patch targets
