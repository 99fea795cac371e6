"""Dense tasks: segmentation, detection, and probes of patch features. Defaults: iBOT's protocols."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.config.data import DataConfig, PhotoScenesConfig
from pipeline.config.section import NonNegative, NonNegativeInt, Positive, PositiveInt, Section, Share

FinetunePrecision = Literal["auto", "float32", "tf32"]


def drawn_as(drawing: str) -> BeforeValidator:
    """A validator: sets `photo_scenes.drawing` to this value unless the data section sets it."""

    def filled_in(data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("photo_scenes", {}), dict):
            return data
        return data | {"photo_scenes": {"drawing": drawing} | data.get("photo_scenes", {})}

    return BeforeValidator(filled_in)


def annotated_with(annotation: Literal["label-map", "objects"]) -> AfterValidator:
    """A validator: the data section must have this kind of annotation, so that preparing others fails."""

    def settled(data: DataConfig) -> DataConfig:
        if data.annotation not in ("any", annotation):
            raise ValueError(f'annotation must be "{annotation}" here, got "{data.annotation}"')
        return data.model_copy(update={"annotation": annotation})

    return AfterValidator(settled)


class FinetuneSchedule(Section):
    """Optimiser and length of fine-tuning; the number of steps is the same for all arms."""

    num_steps: PositiveInt = 160_000
    batch_size: PositiveInt = 16
    # What factors of matrix products and convolutions are rounded to, in training and testing; sums, weights,
    # norms and losses stay float32. "tf32": on a GPU only; "auto": "tf32" on a GPU that supports it.
    precision: FinetunePrecision = "auto"
    lr: Positive = 3e-5  # peak, for this batch size
    frozen_lr: Positive | None = None  # peak with a frozen backbone; None: lr
    warmup_steps: NonNegativeInt = 1500
    # Linear to 0; or to a tenth at each of `decay_at`; or half a cosine to `min_lr`, from the warm-up on.
    decay: Literal["poly", "step", "cosine"] = "poly"
    decay_at: tuple[Share, ...] = (8 / 12, 11 / 12)  # shares of the steps
    min_lr: NonNegative = 0.0  # of "cosine"
    weight_decay: NonNegative = 0.05
    embeddings_decay: bool = True  # weight decay also of position embedding and CLS token
    layer_decay: float = Field(default=0.9, gt=0, le=1)  # of the rate, from each block to the one below it
    drop_path_rate: Share = 0.1
    max_gradient_norm: NonNegative = 0.0  # per tensor; 0 clips nothing


class SegmentViewConfig(Section):
    """Sizes, in pixels, of the images that segmentation trains and tests on."""

    crop_size: PositiveInt = 512
    resize: tuple[PositiveInt, PositiveInt] = (
        512,
        2048,
    )  # short side, and the longest that the long side gets
    scale: tuple[Positive, Positive] = (0.5, 2.0)  # the resize is multiplied by a number drawn from here
    max_class_share: Share = 0.75  # a crop with more of one class is drawn again
    flip_probability: Share = 0.5
    photometric: bool = True
    inference: Literal["whole", "slide"] = "slide"
    stride: PositiveInt = 341  # of the sliding window

    @model_validator(mode="after")
    def _possible(self) -> "SegmentViewConfig":
        for name in ("resize", "scale"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be (low, high), got ({low}, {high})")
        if self.inference == "slide" and self.stride > self.crop_size:
            raise ValueError(f"stride {self.stride} leaves gaps: a window has crop_size {self.crop_size}")
        return self


class SegmentHeadConfig(Section):
    """Decoders on four feature maps of the backbone."""

    tap_norm: bool = True  # the backbone's final norm on each of them
    width: PositiveInt = 384  # channels of UPerNet (iBOT: the backbone's width)
    auxiliary_width: PositiveInt = 256  # channels of the auxiliary FCN head
    auxiliary_weight: NonNegative = 0.4
    dropout: Share = 0.1


class SegmentConfig(Section):
    """All settings of one segmentation run, given backbone and data."""

    head: Literal["linear", "uper"]
    frozen: bool
    heads: SegmentHeadConfig
    view: SegmentViewConfig
    schedule: FinetuneSchedule
    seed: NonNegativeInt
    num_bootstrap: PositiveInt
    num_pictures: NonNegativeInt


class PositionConfig(Section):
    """The floor of segmentation: predicts each position's most frequent class, whatever the image shows."""

    # Task of the tables, such as "clusters" -> number of resamples, as for its other arms.
    num_bootstrap: dict[str, PositiveInt]


class DetectViewConfig(Section):
    """Sizes, in pixels, of the images that detection trains and tests on."""

    short_sides: tuple[PositiveInt, ...] = tuple(range(480, 801, 32))
    max_long_side: PositiveInt = 1333
    test_short_side: PositiveInt = 800
    flip_probability: Share = 0.5
    crop_probability: Share = 0.5  # of DETR's resize, crop, resize
    crop_short_sides: tuple[PositiveInt, ...] = (400, 500, 600)
    crop_sizes: tuple[PositiveInt, PositiveInt] = (384, 600)
    skip_empty: bool = False  # leave training images without objects out

    @model_validator(mode="after")
    def _possible(self) -> "DetectViewConfig":
        low, high = self.crop_sizes
        if low > high:
            raise ValueError(f"crop_sizes must be (low, high), got ({low}, {high})")
        for name in ("short_sides", "crop_short_sides"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        return self


class DetectHeadConfig(Section):
    """Settings of feature pyramid, RPN and cascade."""

    stages: int = Field(default=3, ge=1, le=3)  # 1: Mask R-CNN
    tap_norm: bool = False  # the backbone's final norm on each of its four feature maps
    width: PositiveInt = 256  # channels of the pyramid
    num_levels: int = Field(default=5, ge=4, le=5)
    anchor_scale: Positive = 8.0  # anchor side, in strides
    anchor_ratios: tuple[Positive, ...] = (0.5, 1.0, 2.0)
    finest_scale: Positive = 56.0  # pixels: objects below twice this are pooled from the finest level
    inner_anchors_only: bool = True  # do not train on anchors that leave the image
    rpn_samples: PositiveInt = 256  # anchors sampled per image for the loss of the RPN
    num_proposals_per_level: PositiveInt = 2000
    num_proposals: PositiveInt = 2000
    num_test_proposals_per_level: PositiveInt = 1000
    num_test_proposals: PositiveInt = 1000
    roi_samples: PositiveInt = 512  # boxes sampled per image for the loss of each stage
    box_convs: NonNegativeInt = 4
    box_hidden_dim: PositiveInt = 1024
    box_fcs: PositiveInt = 1
    class_agnostic: bool = False
    mask_convs: NonNegativeInt = 4
    mask_heads: Literal["each", "last"] = "each"  # a mask head per stage, or one
    score_threshold: Share = 0.05
    nms_iou: Share = 0.5
    max_detections: PositiveInt = 100


class DetectConfig(Section):
    """All settings of one detection run, given backbone and data."""

    frozen: bool
    heads: DetectHeadConfig
    view: DetectViewConfig
    schedule: FinetuneSchedule
    seed: NonNegativeInt
    num_bootstrap: PositiveInt
    num_pictures: NonNegativeInt


class DenseProbeConfig(Section):
    """Probes of frozen patch features, without training a network."""

    image_size: PositiveInt = 224  # pixels, square
    ks: tuple[PositiveInt, ...] = (20,)
    temperature: Positive = 0.07
    attention_mass: Share = 0.6  # of the CLS attention that makes the foreground
    lost_share: Share = 0.15  # of the patches that LOST's seed may grow by
    tokencut_threshold: float = Field(default=0.2, ge=-1, le=1)  # cosine
    max_train_images: PositiveInt = 2000  # labelled images that the probes learn from
    max_train_patches: PositiveInt = 50_000  # of all these images together
    inverse_strengths: tuple[Positive, ...] = (0.01, 0.1, 1.0)  # C of the linear probe; chosen on validation
    max_iterations: PositiveInt = 1000  # of the linear probe
    num_bootstrap: PositiveInt = 1000
    num_pictures: NonNegativeInt = 8
    batch_size: PositiveInt = 32


class SegmentationSection(Section):
    """Segmentation in an experiment: its data, its runs, and how they are trained."""

    data: Annotated[DataConfig, drawn_as("mosaics"), annotated_with("label-map")] = DataConfig(
        annotation="label-map", photo_scenes=PhotoScenesConfig(drawing="mosaics")
    )
    runs: tuple[Literal["linear-frozen", "linear-finetuned", "uper-frozen", "uper-finetuned"], ...] = (
        "linear-frozen",
        "uper-finetuned",
    )
    heads: SegmentHeadConfig = SegmentHeadConfig()
    view: SegmentViewConfig = SegmentViewConfig()
    schedule: FinetuneSchedule = FinetuneSchedule()
    num_bootstrap: PositiveInt = 1000
    num_pictures: NonNegativeInt = 8

    def stage_config(self, run: str, seed: int) -> SegmentConfig:
        """Settings of one run of the stage `segment`."""
        head, _, kind = run.partition("-")
        return SegmentConfig(
            head=head,
            frozen=kind == "frozen",
            seed=seed,
            **{
                name: getattr(self, name)
                for name in ("heads", "view", "schedule", "num_bootstrap", "num_pictures")
            },
        )


class DetectionSection(Section):
    """Detection and instance segmentation in an experiment."""

    data: Annotated[DataConfig, drawn_as("objects"), annotated_with("objects")] = DataConfig(
        annotation="objects", photo_scenes=PhotoScenesConfig(drawing="objects")
    )
    runs: tuple[Literal["frozen", "finetuned"], ...] = ("frozen", "finetuned")
    heads: DetectHeadConfig = DetectHeadConfig()
    view: DetectViewConfig = DetectViewConfig()
    # iBOT's 12 epochs of COCO's 117,266 images with objects.
    schedule: FinetuneSchedule = FinetuneSchedule(
        num_steps=87_950, lr=1e-4, warmup_steps=500, decay="step", layer_decay=0.8
    )
    num_bootstrap: PositiveInt = 1000
    num_pictures: NonNegativeInt = 8

    def stage_config(self, run: str, seed: int) -> DetectConfig:
        """Settings of one run of the stage `detect`."""
        return DetectConfig(
            frozen=run == "frozen",
            seed=seed,
            **{
                name: getattr(self, name)
                for name in ("heads", "view", "schedule", "num_bootstrap", "num_pictures")
            },
        )
