"""The kinds of auxiliary heads: keys, number of multiplications, and the class of the block.

HSSL publishes only convnext; which others its authors tried is not in the release: these are this project's
own, after the papers named in their files.
"""

from typing import ClassVar

from pipeline.config.backbone import BackboneConfig
from pipeline.config.section import PositiveInt, Section


class HeadNumbers(Section):
    """The numeric settings of [auxiliary_head]; None if a kind does not use one."""

    kernel_size: PositiveInt | None = None  # patches, odd
    window_size: PositiveInt | None = None  # patches, clipped to the map
    num_heads: PositiveInt | None = None  # of attention; None: as many as the backbone's
    token_dim: PositiveInt | None = None  # of the MLP across patches; None: half the backbone's width


class BlockKind:
    """A kind of block.

    Class attributes:
        block: "module:Class" of the block, which loads Jittor; see `pkgutil.resolve_name`.
        keys: the numbers of [auxiliary_head] that it uses, with defaults; None: see the comment.
    """

    block: ClassVar[str]
    keys: ClassVar[dict[str, int | None]] = {}

    @staticmethod
    def check(head: HeadNumbers) -> None:
        """Refuse numbers that are invalid for such a block.

        Raises:
            ValueError: names the number.
        """
        if head.kernel_size is not None and head.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {head.kernel_size}")

    @staticmethod
    def multiplications(head: HeadNumbers, side: float, base: BackboneConfig) -> float:
        """Multiplications of one block over a map of side x side positions at the base's width."""
        raise NotImplementedError


def _mlp(dim: int) -> float:
    """Multiplications of the 4x MLP at one position."""
    return 8 * dim**2


def _attention(n: float, seen: float, dim: int) -> float:
    """Multiplications of n positions, each of which attends to `seen` positions."""
    return n * (4 * dim**2 + 2 * seen * dim)


class ConvNeXt(BlockKind):
    """The published kind."""

    block: ClassVar = "pipeline.models.auxiliary_heads.convnext:ConvNeXtBlock"
    keys: ClassVar = {"kernel_size": 7}

    @staticmethod
    def multiplications(head: HeadNumbers, side: float, base: BackboneConfig) -> float:
        return side**2 * (head.kernel_size**2 * base.dim + _mlp(base.dim))


class Mixer(BlockKind):
    """MLPs over the patches of a global crop; maps of other crops are resized."""

    block: ClassVar = "pipeline.models.auxiliary_heads.mixer:MixerBlock"
    keys: ClassVar = {"token_dim": None}  # None: half the backbone's width

    @staticmethod
    def multiplications(head: HeadNumbers, side: float, base: BackboneConfig) -> float:
        patches, hidden = base.grid[0] * base.grid[1], head.token_dim or max(base.dim // 2, 1)
        return base.dim * 2 * patches * hidden + side**2 * _mlp(base.dim)


class PoolFormer(BlockKind):
    """Means over neighbours, which need no multiplications."""

    block: ClassVar = "pipeline.models.auxiliary_heads.poolformer:PoolFormerBlock"
    keys: ClassVar = {"kernel_size": 3}

    @staticmethod
    def check(head: HeadNumbers) -> None:
        BlockKind.check(head)
        if head.kernel_size == 1:
            raise ValueError("kernel_size 1 leaves nothing of a poolformer head: a patch has no neighbours")

    @staticmethod
    def multiplications(head: HeadNumbers, side: float, base: BackboneConfig) -> float:
        return side**2 * _mlp(base.dim)


class ResMlp(BlockKind):
    """A linear layer over the patches of a global crop; maps of other crops are resized."""

    block: ClassVar = "pipeline.models.auxiliary_heads.resmlp:ResMlpBlock"

    @staticmethod
    def multiplications(head: HeadNumbers, side: float, base: BackboneConfig) -> float:
        patches = base.grid[0] * base.grid[1]
        return base.dim * patches**2 + side**2 * _mlp(base.dim)


class ResNet(BlockKind):
    """Bottlenecks."""

    block: ClassVar = "pipeline.models.auxiliary_heads.resnet:BottleneckBlock"
    keys: ClassVar = {"kernel_size": 3}

    @staticmethod
    def multiplications(head: HeadNumbers, side: float, base: BackboneConfig) -> float:
        inner = max(base.dim // 4, 1)
        return side**2 * (2 * base.dim * inner + head.kernel_size**2 * inner**2)


class Separable(BlockKind):
    """Depthwise-separable convolutions."""

    block: ClassVar = "pipeline.models.auxiliary_heads.separable:SeparableBlock"
    keys: ClassVar = {"kernel_size": 3}

    @staticmethod
    def multiplications(head: HeadNumbers, side: float, base: BackboneConfig) -> float:
        return side**2 * (head.kernel_size**2 * base.dim + base.dim**2)


class Swin(BlockKind):
    """Attention within windows."""

    block: ClassVar = "pipeline.models.auxiliary_heads.swin:SwinBlock"
    keys: ClassVar = {"window_size": 7, "num_heads": None}  # None: as many as the backbone's

    @staticmethod
    def check(head: HeadNumbers) -> None:
        BlockKind.check(head)
        if head.window_size == 1:
            raise ValueError("window_size must be 2 or more: in windows of 1 no patch sees another")

    @staticmethod
    def multiplications(head: HeadNumbers, side: float, base: BackboneConfig) -> float:
        seen = min(head.window_size, side) ** 2
        return _attention(side**2, seen, base.dim) + side**2 * _mlp(base.dim)


class Vit(BlockKind):
    """The homogeneous control: the architecture of the base itself."""

    block: ClassVar = "pipeline.models.auxiliary_heads.vit:VitBlock"
    keys: ClassVar = {"num_heads": None}  # None: as many as the backbone's

    @staticmethod
    def multiplications(head: HeadNumbers, side: float, base: BackboneConfig) -> float:
        return _attention(side**2, side**2, base.dim) + side**2 * _mlp(base.dim)


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
