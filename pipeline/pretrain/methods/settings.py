"""Settings of the methods, and the arms that they train; the published values are the defaults.

A new method is a class, its line and its arms here. An experiment may have arms of several methods, so a
method's own rates are in its section and replace those in [schedule] and [regularisation]. iBOT and DINO use
these, with [objective] and [projection_head].
"""

from functools import reduce
from operator import or_
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.config.data import CropConfig, MaskConfig
from pipeline.config.methods import MethodSection
from pipeline.config.section import NonNegative, Positive, PositiveInt, Section, Share


class IbotConfig(MethodSection):
    """iBOT, and DINO as iBOT without its patch loss."""

    implementation: ClassVar = "pipeline.pretrain.methods.ibot:Ibot"

    local_crops: ClassVar[bool] = True
    prototypes: ClassVar[bool] = True

    name: Literal["ibot"] = "ibot"


# MoCo v3's published rates for AdamW and ViT. Methods without published rates of their own use them too.
class AdamwSection(MethodSection):
    base_lr: Positive | None = 1.5e-4  # of a batch of 256 images
    min_lr: NonNegative | None = 0.0
    weight_decay: NonNegative | None = 0.1
    weight_decay_end: NonNegative | None = 0.1
    max_gradient_norm: NonNegative | None = 0.0
    drop_path_rate: Share | None = 0.0


class MocoV3Config(AdamwSection):
    """MoCo v3. Defaults: its published command for ViT (`moco-m-cos`, `stop-grad-conv1`).

    Source: Chen et al. 2021 and its released code: AdamW, no clipping, no stochastic depth, constant weight
    decay, MLPs with batch norm.
    """

    implementation: ClassVar = "pipeline.pretrain.methods.moco_v3:MocoV3"

    whole_batch: ClassVar[bool] = True
    ranks_share_batch: ClassVar[bool] = True

    name: Literal["mocov3"] = "mocov3"
    ema_momentum: Share | None = 0.99
    ema_momentum_end: Share | None = 1.0
    temperature: Positive = 0.2
    hidden_dim: PositiveInt = 4096  # of projector and predictor
    out_dim: PositiveInt = 256
    projector_layers: int = Field(default=3, ge=2)
    predictor_layers: int = Field(default=2, ge=1)
    freeze_patch_embedding: bool = True  # at its random initial values, for stable training


class SimclrConfig(AdamwSection):
    """SimCLR. Defaults: temperature and projector of the paper; the optimiser of MoCo v3.

    Source: Chen et al. 2020, section 4.2 and appendix B.7 (2 layers, 128 output channels, temperature 0.1).
    The paper trains ResNets with LARS and has no recipe for transformers, so the rates are MoCo v3's: this
    project's choice.
    """

    implementation: ClassVar = "pipeline.pretrain.methods.simclr:Simclr"

    whole_batch: ClassVar[bool] = True
    ranks_share_batch: ClassVar[bool] = True

    name: Literal["simclr"] = "simclr"
    temperature: Positive = 0.1
    hidden_dim: PositiveInt = 2048
    out_dim: PositiveInt = 128
    projector_layers: int = Field(default=2, ge=2)


class ByolConfig(AdamwSection):
    """BYOL. Defaults: MLPs and momentum of the paper; the optimiser of MoCo v3.

    Source: Grill et al. 2020, section 3.3 (hidden 4096, out 256, momentum 0.996 to 1). The paper trains
    ResNets with LARS; the rates for transformers are MoCo v3's: this project's choice.
    """

    implementation: ClassVar = "pipeline.pretrain.methods.byol:Byol"

    whole_batch: ClassVar[bool] = True  # through the statistics of the batch norms
    ranks_share_batch: ClassVar[bool] = True

    name: Literal["byol"] = "byol"
    ema_momentum: Share | None = 0.996
    ema_momentum_end: Share | None = 1.0
    hidden_dim: PositiveInt = 4096
    out_dim: PositiveInt = 256
    projector_layers: int = Field(default=2, ge=2)
    predictor_layers: int = Field(default=2, ge=1)


class MaeConfig(AdamwSection):
    """MAE. Defaults: its published pretraining command.

    Source: He et al. 2022, table 8 and section 4 (decoder of 8 blocks and width 512, 75 % hidden, pixels
    normalised patch by patch, crops and flips only). Momentum and weight of the auxiliary head, which MAE
    does not have, are this project's.
    """

    implementation: ClassVar = "pipeline.pretrain.methods.mae:Mae"
    any_grid: ClassVar = False  # its decoder has one position per patch of a full-size crop

    name: Literal["mae"] = "mae"
    weight_decay: NonNegative | None = 0.05
    weight_decay_end: NonNegative | None = 0.05
    betas: tuple[Share, Share] | None = (0.9, 0.95)
    mask_ratio: float = Field(default=0.75, gt=0, lt=1)  # of the positions, equally many in every crop
    normalize_pixels: bool = True  # each patch's target to mean 0 and variance 1
    decoder_dim: PositiveInt = 512
    decoder_depth: PositiveInt = 8  # blocks
    decoder_heads: PositiveInt = 16
    auxiliary_weight: NonNegative = 1.0  # of (L_het + L_aux) / 2 beside the pixel loss
    colour: bool = False  # keep the crops' jitter, grey, blur and solarizing

    @model_validator(mode="after")
    def _heads_divide(self) -> "MaeConfig":
        if self.decoder_dim % self.decoder_heads:
            raise ValueError(
                f"decoder_dim {self.decoder_dim} is not divisible by decoder_heads {self.decoder_heads}"
            )
        return self

    def crops_taken(self, crops: CropConfig) -> CropConfig:
        """The crops without local ones and, unless `colour` is set, without changes of colour."""
        crops = super().crops_taken(crops)
        if self.colour:
            return crops
        none = (0.0, 0.0, 0.0)
        off = {"jitter_probability": 0.0, "grey_probability": 0.0}
        return crops.model_copy(update=off | {"blur_probability": none, "solarize_probability": none})

    def masks_taken(self, masks: MaskConfig) -> MaskConfig:
        """Masks of random patches, equally many in every crop."""
        return MaskConfig(shape="random", ratios=(self.mask_ratio,), ratio_variations=(0.0,))

    def check_grid(self, grid: tuple[int, int]) -> None:
        """At least one patch must be hidden, and one visible."""
        num_patches = grid[0] * grid[1]
        if not 0 < int(self.mask_ratio * num_patches) < num_patches:
            raise ValueError(f"mae.mask_ratio {self.mask_ratio} hides none or all of {num_patches} patches")


# Name, also of the section in an experiment -> settings.
METHODS: dict[str, type[MethodSection]] = {
    "ibot": IbotConfig,
    "mocov3": MocoV3Config,
    "simclr": SimclrConfig,
    "byol": ByolConfig,
    "mae": MaeConfig,
}
MethodConfig = Annotated[reduce(or_, METHODS.values()), Field(discriminator="name")]


class Arm(Section):
    """One arm of the comparison: how a backbone gets its weights."""

    network: bool = True  # False: the pixels themselves are the features
    pretrained: bool = True
    method: Literal[tuple(METHODS)] = "ibot"
    auxiliary: bool = False
    patch_loss: bool = True  # of iBOT
    alone: str | None = None  # for an arm with auxiliary head: the arm of the method without it


ARMS: dict[str, Arm] = {
    "pixels": Arm(network=False, pretrained=False),
    "random": Arm(pretrained=False),
    "dino": Arm(patch_loss=False),
    "ibot": Arm(),
    "mocov3": Arm(method="mocov3"),
    "simclr": Arm(method="simclr"),
    "byol": Arm(method="byol"),
    "mae": Arm(method="mae"),
    "hssl": Arm(auxiliary=True, alone="ibot"),
    "hssl-dino": Arm(auxiliary=True, patch_loss=False, alone="dino"),
    "hssl-mocov3": Arm(method="mocov3", auxiliary=True, alone="mocov3"),
    "hssl-simclr": Arm(method="simclr", auxiliary=True, alone="simclr"),
    "hssl-byol": Arm(method="byol", auxiliary=True, alone="byol"),
    "hssl-mae": Arm(method="mae", auxiliary=True, alone="mae"),
}
