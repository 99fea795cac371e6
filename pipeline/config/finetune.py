"""Fine-tuning for classification, and subsets of the labels. Defaults: MAE's protocol for ViT-B."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.data import DataConfig, Interval
from pipeline.config.dense import FinetunePrecision
from pipeline.config.section import NonNegative, NonNegativeInt, Positive, PositiveInt, Section, Share


def checked_label_shares(shares: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Return the shares if they are valid.

    Raises:
        ValueError: the list is empty, a share appears twice, or one is not in 0 < share <= 1.
    """
    if shares is None:
        return None
    if not shares or len(set(shares)) != len(shares) or not all(0 < share <= 1 for share in shares):
        raise ValueError(f"needs different numbers above 0, at most 1, and at least one, got {list(shares)}")
    return shares


class SubsetConfig(Section):
    """A share of the training labels, the same for all arms."""

    share: float = Field(gt=0, lt=1)  # of each class; at least one image
    seed: NonNegativeInt


class ClassificationViewConfig(Section):
    """Sizes, in pixels, of the images that a classifier trains and tests on."""

    image_size: PositiveInt = 224
    resize: PositiveInt = 256  # short side, then the central square of `image_size`: for testing
    scale: Interval = (0.08, 1.0)  # share of the image's area that a training crop shows
    aspect_ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    flip_probability: Share = 0.5
    # RandAugment in increasing severity, "m9-mstd0.5-inc1".
    num_operations: NonNegativeInt = 2
    operation_probability: Share = 0.5  # that a chosen operation is applied
    magnitude: float = Field(default=9.0, ge=0, le=10)
    magnitude_std: NonNegative = 0.5
    erase_probability: Share = 0.25

    @model_validator(mode="after")
    def _ordered(self) -> "ClassificationViewConfig":
        for name in ("scale", "aspect_ratio"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be (low, high), got ({low}, {high})")
        if self.resize < self.image_size:
            raise ValueError(f"resize {self.resize} must be at least image_size {self.image_size}")
        return self


class MixingConfig(Section):
    """Mixup and cutmix: each image of a batch, and its label, is mixed with another one."""

    probability: Share = 1.0  # that a batch is mixed
    mixup_alpha: NonNegative = 0.8  # weights are Beta(alpha, alpha); 0: no mixup
    cutmix_alpha: NonNegative = 1.0
    cutmix_probability: Share = 0.5  # that cutmix is chosen, if both are on
    label_smoothing: Share = 0.1


class ClassificationSchedule(Section):
    """Optimiser and length of training; lengths are in epochs of the labelled training images in use."""

    epochs: Positive = 100.0
    min_steps: NonNegativeInt = 0  # a small subset of the labels is trained on for at least so many steps
    batch_size: PositiveInt = 1024
    accumulation_steps: PositiveInt = 1  # microbatches of a batch; the result is the same
    # What factors of matrix products and convolutions are rounded to, in training and testing; sums, weights,
    # norms and losses stay float32. "tf32": on a GPU only; "auto": "tf32" on a GPU that supports it.
    precision: FinetunePrecision = "auto"
    base_lr: Positive = 5e-4  # peak learning rate for a batch of 256 images; scaled linearly
    min_lr: NonNegative = 1e-6
    warmup_epochs: NonNegative = 5.0
    weight_decay: NonNegative = 0.05
    layer_decay: float = Field(default=0.65, gt=0, le=1)  # of the rate, from each block to the one below it
    drop_path_rate: Share = 0.1
    max_gradient_norm: NonNegative = 0.0  # per tensor; 0 clips nothing

    @model_validator(mode="after")
    def _divisible(self) -> "ClassificationSchedule":
        if self.batch_size % self.accumulation_steps:
            raise ValueError(
                f"batch_size {self.batch_size} is not divisible by "
                f"accumulation_steps {self.accumulation_steps}"
            )
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} exceeds epochs {self.epochs}")
        return self


class FinetuneRecipe(Section):
    """How a classifier is built on a backbone, trained and tested."""

    pooling: Literal["patches", "cls"] = "patches"  # mean patch token and a norm of its own (MAE); CLS (iBOT)
    view: ClassificationViewConfig = ClassificationViewConfig()
    mixing: MixingConfig = MixingConfig()
    schedule: ClassificationSchedule = ClassificationSchedule()
    num_bootstrap: PositiveInt = 1000  # resamples of the test images, for the interval of a single seed
    test_batch_size: PositiveInt = 64


class FinetuneConfig(FinetuneRecipe):
    """All settings of one fine-tuning run, given backbone, data and labels."""

    seed: NonNegativeInt


class FinetuneSection(FinetuneRecipe):
    """Fine-tuning of every backbone of an experiment; for `random`, supervised training from scratch."""

    data: DataConfig | None = None  # other images to transfer to; None: those of the experiment
    label_shares: tuple[float, ...] | None = None  # None: those of the experiment

    _checked_shares = field_validator("label_shares")(checked_label_shares)

    def stage_config(self, seed: int) -> FinetuneConfig:
        """Settings of one run of the stage `finetune`."""
        recipe = {name: getattr(self, name) for name in FinetuneRecipe.model_fields}
        return FinetuneConfig(seed=seed, **recipe)
