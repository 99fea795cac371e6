"""One section per stage. Lengths are in epochs of the training images; learning rates are per whole batch."""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from pipeline.config.backbone import BackboneConfig
from pipeline.config.data import CropConfig, MaskConfig
from pipeline.config.devices import check_device
from pipeline.config.models import (
    AuxiliaryHeadConfig,
    ObjectiveConfig,
    ProjectionHeadConfig,
    RegularisationConfig,
)
from pipeline.config.monitor import MonitorConfig
from pipeline.config.section import (
    AbsentUnlessGiven,
    Location,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Section,
    Share,
)
from pipeline.pretrain.methods.settings import IbotConfig, MethodConfig

_RANKS_HERE = "OMPI_COMM_WORLD_LOCAL_SIZE"  # set by mpirun in each rank: number of ranks on its host


class RuntimeConfig(Section):
    """How to run, not what to compute: none of these settings enters a fingerprint."""

    # "cuda:N": the card with index N of those that CUDA_VISIBLE_DEVICES leaves visible; "cuda": the first.
    device: Annotated[str, AfterValidator(check_device)] = "auto"
    # Number of ranks, processes that share every batch of a training; see docs/several-devices.md.
    devices: PositiveInt = 1
    # File with one host per line, for mpirun; relative to the experiment's file. null: the hosts of
    # an allocation (Slurm, PBS), else this machine.
    hosts: str | None = None
    rank_silence_minutes: Positive = 30  # a rank that others wait for longer is taken to hang: the stage ends
    threads: NonNegativeInt = 0  # 0: every core that this process may use; ranks share them
    kernels: Literal["fused", "plain"] = "fused"  # "plain": Jittor's own operators only
    checkpoint_every_minutes: Positive = 10
    log_every_steps: PositiveInt = 20
    # Compare the gradients of one of the first 20 steps of a pretraining with those of plain operators. null:
    # if it trains 10,000 steps or more on a processor, because these operators must be compiled first.
    watch_gradients: bool | None = None
    # Further loggers of everything in metrics.jsonl, in results/loggers; see docs/monitor.md.
    loggers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    # Threads of each rank that prepare batches of a training ahead; 0: each batch when it is needed. null: 2,
    # and for a GPU one for each core, at most 8.
    loader_threads: NonNegativeInt | None = None

    @property
    def num_threads(self) -> int:
        """Threads that compute or load: `threads`, or one for each core that this process may use."""
        return self.threads or len(os.sched_getaffinity(0))

    @property
    def threads_per_rank(self) -> int:
        """The threads of one rank, at least 1: in a rank, those of its host's ranks are `num_threads`."""
        ranks_here = int(os.environ.get(_RANKS_HERE, self.devices))
        return max(1, self.num_threads // ranks_here)

    @model_validator(mode="after")
    def _a_card_for_each_rank(self) -> "RuntimeConfig":
        if self.devices > 1 and self.device.startswith("cuda:"):
            raise ValueError(
                f"devices {self.devices} with device {self.device!r}: that is one card, and each rank "
                'takes its own; needs device = "cuda" (CUDA_VISIBLE_DEVICES says which cards), or devices = 1'
            )
        return self


class ShuffleConfig(Section):
    """Images are read in blocks and shuffled in a buffer: for storage with slow seeks, or remote storage."""

    buffer: PositiveInt = 8192  # images that are shuffled with one another; twice as many are held in memory
    block: PositiveInt = 256  # neighbouring images that are read at once; blocks come in random order

    @model_validator(mode="after")
    def _fits(self) -> "ShuffleConfig":
        if self.block > self.buffer:
            raise ValueError(f"block {self.block} is larger than buffer {self.buffer}")
        return self


class SmallCropsConfig(Section):
    """Smaller global crops, for cheaper steps, during the first part of pretraining."""

    size: PositiveInt  # pixels
    share: float = Field(default=0.75, gt=0, lt=1)  # of the steps


class ScheduleConfig(Section):
    """Optimiser and schedules of pretraining. Defaults: the published ViT-B command."""

    epochs: Positive = 100  # of the training part
    batch_size: PositiveInt = 256  # images per optimiser step
    accumulation_steps: PositiveInt = 1  # microbatches of a batch; the result is the same
    # What factors of matrix products are rounded to; sums, weights, optimiser, norms and losses stay float32.
    # "bfloat16": linear layers, attention and stored activations, on a processor those of transformer
    # blocks; "tf32": on a GPU only; "auto": "bfloat16" on a GPU that supports it, else "float32".
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = "auto"
    base_lr: Positive = 7.5e-4  # peak learning rate for a batch of 256 images; scaled linearly
    min_lr: NonNegative = 2e-6  # at the end; not scaled
    warmup_epochs: NonNegative = 10  # of the learning rate
    weight_decay: NonNegative = 0.04
    weight_decay_end: NonNegative = 0.4  # reached along a cosine
    # "sgd" and "lars" add the decay to the gradient; "lars" scales each tensor's step by its norm.
    optimizer: Literal["adamw", "sgd", "lars"] = "adamw"
    betas: tuple[Share, Share] = (0.9, 0.999)  # AdamW's, of the first and second moment
    momentum: float = Field(default=0.9, ge=0, lt=1)  # of "sgd" and "lars"
    # Of "lars": norm of a step, for lr 1 and before momentum, relative to the tensor's norm.
    trust_coefficient: Positive = 0.001
    max_gradient_norm: NonNegative = 0.3  # per tensor; 0 clips nothing
    freeze_last_layer_epochs: NonNegative = 3  # the prototypes are not trained for so long
    ema_momentum: Share = 0.996  # of the teacher; rises to `ema_momentum_end` along a cosine
    ema_momentum_end: Share = 1.0
    # None: every epoch is a permutation of all training images.
    shuffle: Annotated[ShuffleConfig | None, AbsentUnlessGiven] = None
    # None: global crops are of one size.
    small_crops: Annotated[SmallCropsConfig | None, AbsentUnlessGiven] = None
    export_every_epochs: NonNegativeInt = 0  # backbone-epoch<n>.safetensors as it trains; 0: at the end only

    @property
    def peak_lr(self) -> float:
        """Learning rate after warm-up (linear scaling rule)."""
        return self.base_lr * self.batch_size / 256


class StartConfig(Section):
    """The weights from which pretraining starts, instead of random ones."""

    # A checkpoint.safetensors of this project; relative to the experiment's file. All of it is used, with its
    # step: training continues from there on this experiment's schedule.
    checkpoint: str | None = None
    # Instead: weights of another project, see docs/weights.md. Only the base is used, for student and
    # teacher; everything else starts as without it, from the first step.
    source: Annotated[str | None, Location] = None
    sha256: str | None = None  # of that file; filled in when the experiment is read
    key: str | None = None  # of `source`: which network in the file
    num_heads: PositiveInt | None = None  # of `source`, if its shapes do not tell

    @field_validator("checkpoint")
    @classmethod
    def _of_this_project(cls, checkpoint: str | None) -> str | None:
        if checkpoint is not None and not checkpoint.endswith(".safetensors"):
            raise ValueError(
                "only checkpoint.safetensors files of this project are read here; what other projects have "
                "pickled, as .pth, is read as start.source, and its base alone"
            )
        return checkpoint

    @model_validator(mode="after")
    def _one_place(self) -> "StartConfig":
        if (self.checkpoint is None) == (self.source is None):
            raise ValueError("needs checkpoint, of this project, or source, of another: one of them")
        if self.source is None and (self.key or self.num_heads):
            raise ValueError("key and num_heads are of source, and there is none")
        return self


class PretrainConfig(Section):
    """All settings of a pretraining, given the prepared images.

    `Experiment.pretrain_config` has already put the method's own values into `schedule`, `regularisation`,
    `crops` and `masks`.
    """

    method: MethodConfig = IbotConfig()
    backbone: BackboneConfig
    auxiliary_head: AuxiliaryHeadConfig | None  # None: the method alone, the baseline
    projection_head: ProjectionHeadConfig
    objective: ObjectiveConfig
    regularisation: RegularisationConfig
    crops: CropConfig
    masks: MaskConfig
    schedule: ScheduleConfig
    normalization: Literal["imagenet", "dataset"]
    seed: NonNegativeInt
    start: StartConfig | None = None
    monitor: Annotated[MonitorConfig | None, AbsentUnlessGiven] = None

    @model_validator(mode="after")
    def _head_fits(self) -> "PretrainConfig":
        if self.auxiliary_head is not None:
            self.auxiliary_head.check_width(self.backbone.dim)
        return self

    @model_validator(mode="after")
    def _microbatches_are_allowed(self) -> "PretrainConfig":
        method, schedule = self.method, self.schedule
        batch_norm = method.prototypes and self.projection_head.norm == "batch"
        if batch_norm and schedule.accumulation_steps > 1:
            raise ValueError(
                f'schedule.accumulation_steps {schedule.accumulation_steps}: projection_head.norm "batch" '
                "sees all rows of a batch at once, in parts it would norm by other statistics; needs "
                "accumulation_steps = 1"
            )
        if method.whole_batch and schedule.accumulation_steps > 1:
            raise ValueError(
                f"schedule.accumulation_steps {schedule.accumulation_steps}: the loss of {method.name} sees "
                "all images of a batch at once, in parts it would be another; needs accumulation_steps = 1"
            )
        if method.whole_batch and schedule.batch_size < 2:
            raise ValueError(
                f"{method.name} compares images of one batch: schedule.batch_size must be 2 or more"
            )
        method.check_grid(self.backbone.grid)
        if self.crops.num_local and not method.local_crops:
            raise ValueError(f"{method.name} takes no local crops; needs crops.num_local = 0")
        if schedule.small_crops is not None and not method.any_grid:
            raise ValueError(f"{method.name} takes crops of one size; needs schedule.small_crops = false")
        return self

    def check_devices(self, num_devices: int) -> None:
        """Refuse ranks that would change the training because each computes only its share of the batch.

        Raises:
            ValueError: a loss needs the whole batch, or the batch is not divisible.
        """
        if num_devices == 1:
            return
        devices, method, schedule = f"runtime.devices {num_devices}", self.method, self.schedule
        if method.whole_batch and not method.ranks_share_batch:
            raise ValueError(
                f"{devices}: {method.name} compares all images of a batch, and a rank sees its share alone; "
                "needs runtime.devices = 1"
            )
        parts = num_devices * schedule.accumulation_steps
        if schedule.batch_size % parts:
            steps = f" times accumulation_steps {schedule.accumulation_steps}" if parts > num_devices else ""
            raise ValueError(f"{devices}{steps} does not divide schedule.batch_size {schedule.batch_size}")


class InitializeConfig(Section):
    """A backbone with random weights, which every table shows for comparison."""

    backbone: BackboneConfig
    normalization: Literal["imagenet", "dataset"]
    seed: NonNegativeInt


class FeaturesConfig(Section):
    """Frozen features: resize, central crop, forward pass."""

    resize: PositiveInt = 256  # pixels, short side, bicubic
    crop_size: PositiveInt = 224  # pixels, central
    num_blocks: PositiveInt = 4  # CLS tokens of the last n blocks are kept
    weights: Literal["teacher", "student"] = "teacher"  # the network that is probed
    batch_size: PositiveInt = 64
    dtype: Literal["float32", "float16"] = "float32"  # of the files; "float16" is half the disk and reading


class PixelsSection(Section):
    """The arm `pixels`: a small picture of every image, in place of a network's features."""

    # Side in pixels, at most `features.crop_size`. 16 x 16 RGB are 768 numbers, as many as ViT-B's features.
    side: PositiveInt = 16


class PixelsConfig(Section):
    """Resize, centre crop, normalise."""

    resize: PositiveInt  # pixels, short side, bicubic
    side: PositiveInt  # pixels, central
    normalization: Literal["imagenet", "dataset"]
    batch_size: PositiveInt  # images per read
