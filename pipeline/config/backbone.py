"""The base: its kinds, their named sizes, and values derived from its sizes."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from pipeline.config.section import AbsentUnlessGiven, Positive, PositiveInt, Section, without_absent

NUM_STAGES = 4  # of a hierarchical base
_CHANNELS_OF_A_HEAD = 64  # of attention, in a ViT of any named size


@dataclass(frozen=True)
class BaseKind:
    """The settings of one kind of base."""

    sizes: dict[str, dict[str, Any]]  # by name, the smallest first; "custom" sets the same numbers itself
    default_size: str
    defaults: dict[str, Any]  # numbers that any size may change
    hierarchical: bool = True  # four stages; each halves the sides of the map and doubles its channels


# The kinds of bases. The networks are in pipeline/models/backbones; the sizes are those of their papers.
BASES: dict[str, BaseKind] = {
    "vit": BaseKind(
        sizes={
            "tiny": {"embed_dim": 192, "depth": 12, "num_heads": 3},
            "small": {"embed_dim": 384, "depth": 12, "num_heads": 6},
            "base": {"embed_dim": 768, "depth": 12, "num_heads": 12},
            "large": {"embed_dim": 1024, "depth": 24, "num_heads": 16},
        },
        default_size="small",
        defaults={"patch_size": 16, "mlp_ratio": 4.0},
        hierarchical=False,
    ),
    "swin": BaseKind(
        sizes={
            "tiny": {"embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": 3},
            "small": {"embed_dim": 96, "depths": (2, 2, 18, 2), "num_heads": 3},
        },
        default_size="tiny",
        defaults={"patch_size": 4, "mlp_ratio": 4.0, "window_size": 7},
    ),
    "convnext": BaseKind(
        sizes={"tiny": {"embed_dim": 96, "depths": (3, 3, 9, 3)}},
        default_size="tiny",
        defaults={"patch_size": 4, "mlp_ratio": 4.0, "kernel_size": 7},
    ),
    "resnet": BaseKind(
        sizes={
            "18": {"embed_dim": 64, "depths": (2, 2, 2, 2), "bottleneck": False},
            "50": {"embed_dim": 64, "depths": (3, 4, 6, 3), "bottleneck": True},
        },
        default_size="50",
        defaults={"patch_size": 4},
    ),
}


def _own_numbers(kind: BaseKind) -> list[str]:
    """Names of the settings that a size of this kind fixes."""
    return list(kind.sizes[kind.default_size])


_BASE_NUMBERS = {name for kind in BASES.values() for name in (*kind.defaults, *_own_numbers(kind))}


class BackboneConfig(Section):
    """A base: its kind, and a named size or its own numbers.

    Of the numbers below, a kind uses those that `BASES` lists for it; the others become None, whatever was
    given, so that changing `kind` needs no other change.
    """

    kind: str = "vit"
    size: str = "small"  # a name that `BASES` lists for the kind, or "custom"; the kind's own where not given
    image_size: PositiveInt = 224  # pixels, of a global crop: fixes the grid that masks are drawn on
    # Pixels of a patch; of a hierarchical base: stride of the first stage's feature map.
    patch_size: PositiveInt | None = None
    embed_dim: PositiveInt | None = (
        None  # channels; of a hierarchical base: of the first stage (see stage_dims)
    )
    depth: PositiveInt | None = None  # blocks
    depths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] | None = None  # blocks of each stage
    num_heads: PositiveInt | None = None  # of attention; of Swin: in the first stage, and doubling
    mlp_ratio: Positive | None = None  # hidden channels of an MLP for each channel
    window_size: PositiveInt | None = None  # positions, clipped to the map
    kernel_size: PositiveInt | None = None  # positions, odd
    bottleneck: bool | None = None  # blocks of three convolutions that end at four times the channels
    # Of a ResNet of another project: batch norm with fixed statistics, a scale and a shift of each channel.
    # Not given: group norm, the only one that is pretrained here.
    norm: Annotated[Literal["batch"] | None, AbsentUnlessGiven] = None
    # Of a ViT: tokens besides CLS and patches that take part in attention and are not used as features.
    register_tokens: Annotated[PositiveInt | None, AbsentUnlessGiven] = None
    # Of the images, as `data.channels` says; not given: 3, of RGB.
    channels: Annotated[PositiveInt | None, AbsentUnlessGiven] = None

    @model_serializer(mode="wrap")
    def _dumped(self, dumped: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_absent(self, dumped)

    @model_validator(mode="before")
    @classmethod
    def _resolved(cls, values):
        """Fill in the values of kind and size, so that the configuration is complete."""
        if not isinstance(values, dict) or str(values.get("kind", "vit")) not in BASES:
            return values
        kind = BASES[str(values.get("kind", "vit"))]
        size = str(values.get("size", kind.default_size))
        fixed = kind.sizes.get(size, {})
        for name, number in fixed.items():
            given = values.get(name)
            if (tuple(given) if isinstance(given, list) else given) not in (None, number):
                raise ValueError(f'{name} = {given} needs size = "custom"; {size!r} has {number}')
        taken = [*kind.defaults, *_own_numbers(kind)]
        given = {name: values[name] for name in taken if values.get(name) is not None}
        kept = {name: value for name, value in values.items() if name not in _BASE_NUMBERS}
        return {**kept, "size": size, **kind.defaults, **fixed, **given}

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in BASES:
            raise ValueError(f"unknown kind of base; choose from {list(BASES)}")
        return kind

    @field_validator("size")
    @classmethod
    def _known_size(cls, size: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")
        choices = [*BASES[kind].sizes, "custom"] if kind else [size]
        if size not in choices:
            raise ValueError(f"unknown size of {kind}; choose from {choices}")
        return size

    @model_validator(mode="after")
    def _consistent(self) -> "BackboneConfig":
        missing = [name for name in _own_numbers(BASES[self.kind]) if getattr(self, name) is None]
        if missing:
            raise ValueError(f'size = "custom" needs {", ".join(missing)}')
        if self.num_heads is not None and self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")
        if self.kind == "resnet" and self.patch_size not in (1, 2, 4):
            raise ValueError(f"patch_size of resnet must be 1, 2 or 4, got {self.patch_size}")
        if self.norm is not None and self.kind != "resnet":
            raise ValueError(f'norm = "batch" is of a resnet, this is a {self.kind}')
        if self.register_tokens is not None and self.kind != "vit":
            raise ValueError(f"register_tokens are of a vit, this is a {self.kind}")
        if self.kernel_size is not None and self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")
        if self.window_size == 1:
            raise ValueError("window_size must be 2 or more: in windows of 1 no position sees another")
        if self.image_size % self.stride:
            what = f"{2 ** (NUM_STAGES - 1)} x patch_size" if self.hierarchical else "patch_size"
            raise ValueError(f"image_size {self.image_size} is not divisible by {what} {self.stride}")
        return self

    @property
    def hierarchical(self) -> bool:
        """Whether the base has four stages with maps of decreasing size, rather than one size throughout."""
        return BASES[self.kind].hierarchical

    @property
    def stage_dims(self) -> tuple[int, ...]:
        """Channels of each stage's feature map, for a hierarchical base."""
        widening = 4 if self.bottleneck else 1
        return tuple(self.embed_dim * 2**stage * widening for stage in range(NUM_STAGES))

    @property
    def stage_strides(self) -> tuple[int, ...]:
        """Pixels between neighbouring positions of each stage's feature map, for a hierarchical base."""
        return tuple(self.patch_size * 2**stage for stage in range(NUM_STAGES))

    @property
    def stride(self) -> int:
        """Pixels between neighbouring positions of the last feature map, used for masks, crops and grids."""
        return self.stage_strides[-1] if self.hierarchical else self.patch_size

    @property
    def grid(self) -> tuple[int, int]:
        """Size (h, w) of a global crop's last feature map, in positions."""
        return (self.image_size // self.stride,) * 2

    @property
    def dim(self) -> int:
        """Channels of the last feature map."""
        return self.stage_dims[-1] if self.hierarchical else self.embed_dim

    @property
    def num_blocks(self) -> int:
        """Number of residual blocks."""
        return sum(self.depths) if self.hierarchical else self.depth

    @property
    def num_feature_blocks(self) -> int:
        """Number of last blocks whose output can be a frozen feature: all, or those of the last stage."""
        return self.depths[-1] if self.hierarchical else self.depth

    @property
    def map_heads(self) -> int:
        """Number of attention heads of an auxiliary head on the last map: as many as the base has there.

        For a base without attention, one for each 64 channels, as in a ViT, or fewer if that does not divide
        the channels; this is the project's own choice.
        """
        if self.num_heads is not None:
            return self.num_heads * 2 ** (NUM_STAGES - 1) if self.hierarchical else self.num_heads
        most = max(self.dim // _CHANNELS_OF_A_HEAD, 1)
        return next(number for number in range(most, 0, -1) if self.dim % number == 0)
