"""The base class of the settings of all self-supervised methods."""

from typing import ClassVar, TypeVar

from pipeline.config.data import CropConfig, MaskConfig
from pipeline.config.section import NonNegative, Positive, Section, Share

SectionT = TypeVar("SectionT", bound=Section)


class MethodSection(Section):
    """A method's own settings replace those of other sections; None keeps the other section's value.

    Class attributes:
        implementation: "module:Class" of its networks and loss, for `pkgutil.resolve_name`; it loads Jittor.
        whole_batch: whether a loss term compares all images of a batch, so that its mean over microbatches
            would be another loss.
        ranks_share_batch: whether it does so across ranks, by `pipeline.ranks.whole_batch`.
        local_crops: whether the student sees local crops, if the experiment has any.
        any_grid: whether crops of one training may have maps of different sizes.
        prototypes: whether the method uses [projection_head] and [objective]: distributions over prototypes,
            and a patch loss from `objective.patch_start_epoch` on.
    """

    implementation: ClassVar[str]
    whole_batch: ClassVar[bool] = False
    ranks_share_batch: ClassVar[bool] = False
    local_crops: ClassVar[bool] = False
    any_grid: ClassVar[bool] = True
    prototypes: ClassVar[bool] = False

    base_lr: Positive | None = None
    min_lr: NonNegative | None = None
    warmup_epochs: NonNegative | None = None
    weight_decay: NonNegative | None = None
    weight_decay_end: NonNegative | None = None
    max_gradient_norm: NonNegative | None = None
    betas: tuple[Share, Share] | None = None
    ema_momentum: Share | None = None
    ema_momentum_end: Share | None = None
    drop_path_rate: Share | None = None

    def put_into(self, section: SectionT) -> SectionT:
        """The experiment's [schedule] or [regularisation], with the method's own values in it."""
        given = {name: getattr(self, name, None) for name in type(section).model_fields}
        return section.model_copy(update={name: value for name, value in given.items() if value is not None})

    def crops_taken(self, crops: CropConfig) -> CropConfig:
        """The experiment's crops, adapted to the method."""
        return crops if self.local_crops else crops.model_copy(update={"num_local": 0})

    def masks_taken(self, masks: MaskConfig) -> MaskConfig:
        """The experiment's masks, adapted to the method."""
        return masks

    def check_grid(self, grid: tuple[int, int]) -> None:
        """Refuse a map of (h, w) patches that the method cannot be trained on.

        Raises:
            ValueError: the map does not fit; the message says why.
        """
