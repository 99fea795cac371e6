"""What the sections of all methods of self-supervised learning have in common."""

from typing import ClassVar, TypeVar

from pipeline.config.data import CropConfig, MaskConfig
from pipeline.config.section import NonNegative, Positive, Section, Share

SectionT = TypeVar("SectionT", bound=Section)


class MethodSection(Section):
    """What a method sets in place of other sections; None leaves their value.

    Class attributes:
        implementation: "module:Class" of its networks and loss, for `pkgutil.resolve_name`; it loads Jittor.
        whole_batch: whether a term of the loss sees all images of a batch at once, so that the mean over
            parts of a batch is another loss.
        local_crops: whether the student sees small crops, if the experiment has any.
        prototypes: whether [projection_head] and [objective] are its: distributions over prototypes, and a
            patch loss from `objective.patch_start_epoch` on.
    """

    implementation: ClassVar[str]
    whole_batch: ClassVar[bool] = False
    local_crops: ClassVar[bool] = False
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
        """[schedule] or [regularisation] of the experiment with the method's own numbers in it."""
        given = {name: getattr(self, name, None) for name in type(section).model_fields}
        return section.model_copy(update={name: value for name, value in given.items() if value is not None})

    def crops_taken(self, crops: CropConfig) -> CropConfig:
        """The experiment's crops as the method takes them."""
        return crops if self.local_crops else crops.model_copy(update={"num_local": 0})

    def masks_taken(self, masks: MaskConfig) -> MaskConfig:
        """The experiment's masks as the method takes them."""
        return masks

    def check_grid(self, grid: tuple[int, int]) -> None:
        """Refuse a map of (h, w) patches that the method cannot be trained on.

        Raises:
            ValueError: says what does not fit.
        """
