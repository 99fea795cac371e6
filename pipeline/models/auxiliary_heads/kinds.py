"""The kinds of auxiliary heads: the keys that each takes, what a block multiplies, and where the block is.

HSSL publishes convnext only; which others its authors tried is not in what was released: these are this
project's own, after the papers that their files name.
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pipeline.config.backbone import BackboneConfig
    from pipeline.config.models import AuxiliaryHeadConfig


class BlockKind:
    """A kind of block.

    Class attributes:
        keys: which numbers of [auxiliary_head] it takes, with defaults; None: see the comment.
    """

    keys: ClassVar[dict[str, int | None]] = {}

    @staticmethod
    def multiplications(head: "AuxiliaryHeadConfig", side: float, base: "BackboneConfig") -> float:
        """Of one block over a map of side x side places at the base's width."""
        raise NotImplementedError

    @staticmethod
    def block() -> type:
        """The class of the block; imported when it is asked for, since that loads Jittor."""
        raise NotImplementedError


def _mlp(dim: int) -> float:
    """Of the 4x MLP, at one place."""
    return 8 * dim**2


def _attention(n: float, seen: float, dim: int) -> float:
    """Of n places, each of which attends to `seen`."""
    return n * (4 * dim**2 + 2 * seen * dim)


class ConvNeXt(BlockKind):
    """The published one."""

    keys: ClassVar = {"kernel_size": 7}

    @staticmethod
    def multiplications(head: "AuxiliaryHeadConfig", side: float, base: "BackboneConfig") -> float:
        return side**2 * (head.kernel_size**2 * base.dim + _mlp(base.dim))

    @staticmethod
    def block() -> type:
        from pipeline.models.auxiliary_heads.convnext import ConvNeXtBlock

        return ConvNeXtBlock


class Mixer(BlockKind):
    """MLPs over the patches of a global crop, whatever the crop."""

    keys: ClassVar = {"token_dim": None}  # None: half the backbone's width

    @staticmethod
    def multiplications(head: "AuxiliaryHeadConfig", side: float, base: "BackboneConfig") -> float:
        patches, hidden = base.grid[0] * base.grid[1], head.token_dim or max(base.dim // 2, 1)
        return base.dim * 2 * patches * hidden + side**2 * _mlp(base.dim)

    @staticmethod
    def block() -> type:
        from pipeline.models.auxiliary_heads.mixer import MixerBlock

        return MixerBlock


class PoolFormer(BlockKind):
    """Means over neighbours, which multiply nothing."""

    keys: ClassVar = {"kernel_size": 3}

    @staticmethod
    def multiplications(head: "AuxiliaryHeadConfig", side: float, base: "BackboneConfig") -> float:
        return side**2 * _mlp(base.dim)

    @staticmethod
    def block() -> type:
        from pipeline.models.auxiliary_heads.poolformer import PoolFormerBlock

        return PoolFormerBlock


class ResMlp(BlockKind):
    """A linear layer over the patches of a global crop, whatever the crop."""

    @staticmethod
    def multiplications(head: "AuxiliaryHeadConfig", side: float, base: "BackboneConfig") -> float:
        patches = base.grid[0] * base.grid[1]
        return base.dim * patches**2 + side**2 * _mlp(base.dim)

    @staticmethod
    def block() -> type:
        from pipeline.models.auxiliary_heads.resmlp import ResMlpBlock

        return ResMlpBlock


class ResNet(BlockKind):
    """Bottlenecks."""

    keys: ClassVar = {"kernel_size": 3}

    @staticmethod
    def multiplications(head: "AuxiliaryHeadConfig", side: float, base: "BackboneConfig") -> float:
        inner = max(base.dim // 4, 1)
        return side**2 * (2 * base.dim * inner + head.kernel_size**2 * inner**2)

    @staticmethod
    def block() -> type:
        from pipeline.models.auxiliary_heads.resnet import BottleneckBlock

        return BottleneckBlock


class Separable(BlockKind):
    """Depthwise-separable convolutions."""

    keys: ClassVar = {"kernel_size": 3}

    @staticmethod
    def multiplications(head: "AuxiliaryHeadConfig", side: float, base: "BackboneConfig") -> float:
        return side**2 * (head.kernel_size**2 * base.dim + base.dim**2)

    @staticmethod
    def block() -> type:
        from pipeline.models.auxiliary_heads.separable import SeparableBlock

        return SeparableBlock


class Swin(BlockKind):
    """Attention within windows."""

    keys: ClassVar = {"window_size": 7, "num_heads": None}  # None: as many as the backbone's

    @staticmethod
    def multiplications(head: "AuxiliaryHeadConfig", side: float, base: "BackboneConfig") -> float:
        seen = min(head.window_size, side) ** 2
        return _attention(side**2, seen, base.dim) + side**2 * _mlp(base.dim)

    @staticmethod
    def block() -> type:
        from pipeline.models.auxiliary_heads.swin import SwinBlock

        return SwinBlock


class Vit(BlockKind):
    """The homogeneous control: the architecture of the base itself."""

    keys: ClassVar = {"num_heads": None}  # None: as many as the backbone's

    @staticmethod
    def multiplications(head: "AuxiliaryHeadConfig", side: float, base: "BackboneConfig") -> float:
        return _attention(side**2, side**2, base.dim) + side**2 * _mlp(base.dim)

    @staticmethod
    def block() -> type:
        from pipeline.models.auxiliary_heads.vit import VitBlock

        return VitBlock


BLOCKS: dict[str, type[BlockKind]] = {
    "convnext": ConvNeXt,
    "mixer": Mixer,
    "poolformer": PoolFormer,
    "resmlp": ResMlp,
    "resnet": ResNet,
    "separable": Separable,
    "swin": Swin,
    "vit": Vit,
}
