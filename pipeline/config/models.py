"""Backbone, auxiliary head and projection head."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.config.section import NonNegative, PositiveInt, Section, Share

VIT_SIZES: dict[str, tuple[int, int, int]] = {  # embed_dim, depth, num_heads
    "tiny": (192, 12, 3),
    "small": (384, 12, 6),
    "base": (768, 12, 12),
    "large": (1024, 24, 16),
}


class BackboneConfig(Section):
    """A Vision Transformer: a named size, or any width and depth."""

    size: Literal["tiny", "small", "base", "large", "custom"] = "small"
    image_size: PositiveInt = 224  # pixels, of a global crop: fixes the grid of the position embedding
    patch_size: PositiveInt = 16  # pixels
    embed_dim: PositiveInt | None = None  # given for size = "custom" only, as depth and num_heads
    depth: PositiveInt | None = None
    num_heads: PositiveInt | None = None
    mlp_ratio: float = Field(default=4.0, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _resolved(cls, values):
        """Fill in the numbers of a named size, so that a resolved config says everything."""
        if not isinstance(values, dict):
            return values
        size = values.get("size", "small")
        if size in VIT_SIZES:
            names = ("embed_dim", "depth", "num_heads")
            for name, number in zip(names, VIT_SIZES[size], strict=True):
                if values.get(name) not in (None, number):
                    raise ValueError(f'{name} = {values[name]} needs size = "custom"; {size!r} has {number}')
                values = {**values, name: number}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "BackboneConfig":
        missing = [name for name in ("embed_dim", "depth", "num_heads") if getattr(self, name) is None]
        if missing:
            raise ValueError(f'size = "custom" needs {", ".join(missing)}')
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is not divisible by patch_size {self.patch_size}")
        return self


class AuxiliaryHeadConfig(Section):
    """ConvNeXt blocks at the backbone's width; thrown away after pretraining."""

    kind: Literal["convnext"] = "convnext"
    depth: PositiveInt = 3
    kernel_size: PositiveInt = 7
    first_shortcut: bool = False  # the published head has none: no identity path from base to head

    @model_validator(mode="after")
    def _odd_kernel(self) -> "AuxiliaryHeadConfig":
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")
        return self


class ProjectionHeadConfig(Section):
    """Two separate MLPs (base, auxiliary) in front of one shared prototype layer."""

    hidden_dim: PositiveInt = 2048
    num_layers: int = Field(default=3, ge=1)
    bottleneck_dim: PositiveInt = 256
    num_prototypes: int = Field(default=8192, ge=2)


class RegularisationConfig(Section):
    """Stochastic depth of the student."""

    # The rate grows linearly over base and auxiliary blocks together, as in the official code.
    drop_path_rate: Share = 0.1


class ObjectiveConfig(Section):
    """The three loss terms: L = 0.5 cls_weight (L_het + L_aux) + patch_weight L_mim."""

    cls_weight: NonNegative = 1.0
    patch_weight: NonNegative = 1.0
    student_temperature: float = Field(default=0.1, gt=0)
    teacher_temperature: float = Field(default=0.07, gt=0)
    teacher_temperature_start: float = Field(default=0.04, gt=0)
    teacher_temperature_warmup_epochs: NonNegative = 50
    patch_temperature: float = Field(default=0.07, gt=0)
    patch_temperature_start: float = Field(default=0.04, gt=0)
    patch_temperature_warmup_epochs: NonNegative = 50
    center_momentum: Share = 0.9
    patch_center_momentum: Share = 0.9
