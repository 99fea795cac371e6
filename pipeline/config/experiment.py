"""An experiment: the arms to compare, the seeds, and one section per stage.

Listings show its keys in the order of the classes here, so the keys that tables add come between two classes.
"""

from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from pipeline.config.anchors import check_anchors
from pipeline.config.backbone import BackboneConfig
from pipeline.config.channels import check_channels, with_channels
from pipeline.config.data import CropConfig, DataConfig, MaskConfig
from pipeline.config.dense import DenseProbeConfig, DetectionSection, SegmentationSection
from pipeline.config.duplicates import DuplicatesConfig
from pipeline.config.evaluate import SECTIONS_OF, EvaluateSection, check_evaluations
from pipeline.config.executors import ExecutorConfig
from pipeline.config.few_shot import FewShotConfig
from pipeline.config.finetune import FinetuneSection, checked_label_shares
from pipeline.config.linear_augmented import LinearAugmentedSection
from pipeline.config.models import (
    AuxiliaryHeadConfig,
    ObjectiveConfig,
    ProjectionHeadConfig,
    RegularisationConfig,
)
from pipeline.config.monitor import MonitorConfig
from pipeline.config.section import NonNegativeInt, Section, distinct, with_sections
from pipeline.config.stages import (
    FeaturesConfig,
    InitializeConfig,
    PixelsConfig,
    PixelsSection,
    PretrainConfig,
    RuntimeConfig,
    ScheduleConfig,
    StartConfig,
)
from pipeline.config.studies import AblateSection, SearchSection
from pipeline.config.sweep import SweepSection
from pipeline.config.tables import TablesSection
from pipeline.config.weights import ArmName, ForeignConfig
from pipeline.evaluate.probes.settings import SECTIONS
from pipeline.pretrain.methods.settings import ARMS, METHODS, Arm

_FOLDERS_OF_RESULTS = ("artifacts", "compare", "loggers")  # in results/, beside the experiments
POSITION = "position"  # the floor of segmentation: an arm of tables that no experiment lists


class _Compared(Section):
    """The arms, and the settings that they share whatever their method."""

    # Names a folder in results/. If not given: the stem of the experiment's file.
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    arms: tuple[str, ...] = ("random", "ibot", "hssl")  # the compared ways to obtain a backbone
    # The arm from which differences are computed. An arm with auxiliary head is compared with its method
    # alone instead, if that is an arm, so that one table can hold several methods.
    baseline: str = "ibot"
    seeds: tuple[NonNegativeInt, ...] = (0,)  # each seed is one run of every arm
    # Shares of the training labels used by k-NN, logistic regression and fine-tuning: one run for each.
    label_shares: tuple[float, ...] = (1.0,)
    data: DataConfig = DataConfig()
    backbone: BackboneConfig = BackboneConfig()
    auxiliary_head: AuxiliaryHeadConfig = AuxiliaryHeadConfig()
    projection_head: ProjectionHeadConfig = ProjectionHeadConfig()
    objective: ObjectiveConfig = ObjectiveConfig()  # of iBOT and DINO


class _Pretrained(with_sections(_Compared, METHODS)):
    """How a backbone is pretrained, and which features are extracted from it."""

    regularisation: RegularisationConfig = RegularisationConfig()
    crops: CropConfig = CropConfig()
    masks: MaskConfig = MaskConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    monitor: MonitorConfig = MonitorConfig()
    start: StartConfig | None = None  # a checkpoint, if there is only one pretrained arm and one seed
    weights: dict[ArmName, ForeignConfig] = Field(default={})  # arms made of other projects' weights, by name
    # Arm of [weights.NAME] -> the published weights that it is, for `doit run anchors`.
    anchors: dict[ArmName, str] = Field(default={})
    features: FeaturesConfig = FeaturesConfig()
    pixels: PixelsSection = PixelsSection()  # of the arm `pixels`


class Experiment(with_sections(_Pretrained, SECTIONS)):
    """All settings of `doit run all`."""

    # A linear probe of random crops, in addition to that of cached features, if its section is given.
    linear_augmented: LinearAugmentedSection | None = None
    # Each runs if its section is given; `finetune = false` removes what an extended experiment has. The dense
    # tasks have data of their own.
    finetune: FinetuneSection | None = None
    segmentation: SegmentationSection | None = None
    detection: DetectionSection | None = None
    dense_probe: DenseProbeConfig | None = None
    # Written [[evaluate]], once for each further data set on which every backbone is evaluated.
    evaluate: tuple[EvaluateSection, ...] = ()
    few_shot: FewShotConfig = FewShotConfig()  # of the evaluations that have it among their tasks
    # Studies of the auxiliary head, not part of `all`: see `doit run ablate`, `search` and `search-validate`.
    ablate: AblateSection | None = None
    search: SearchSection = SearchSection()
    sweep: SweepSection | None = None  # the trials of `doit run sweep`
    duplicates: DuplicatesConfig = DuplicatesConfig()
    tables: TablesSection = TablesSection()  # also of the studies
    runtime: RuntimeConfig = RuntimeConfig()
    executor: ExecutorConfig = ExecutorConfig()  # of `doit run all executor=slurm`; see docs/cluster.md

    @field_validator("name")
    @classmethod
    def _no_folder_of_ours(cls, name: str) -> str:
        if name in _FOLDERS_OF_RESULTS:
            raise ValueError(f"results/{name} holds what experiments share; give it another name")
        return name

    _distinct = field_validator("arms", "seeds")(distinct)
    _checked_shares = field_validator("label_shares")(checked_label_shares)

    @model_validator(mode="before")
    @classmethod
    def _of_channels(cls, values: Any) -> Any:
        return with_channels(values) if isinstance(values, dict) else values

    @field_validator(
        "linear_augmented", "finetune", "segmentation", "detection", "dense_probe", "ablate", "sweep",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _left_out(cls, section: Any) -> Any:
        return None if section is False else section

    @field_validator("evaluate", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        if isinstance(given, dict):
            raise ValueError("there may be several: write [[evaluate]], in double brackets")
        return given

    @model_validator(mode="after")
    def _known_arms(self) -> "Experiment":
        taken = [name for name in self.weights if name in (*ARMS, "start", POSITION)]
        if taken:
            raise ValueError(f"weights.{taken[0]}: that name is taken; give it another")
        unknown = [arm for arm in self.arms if arm not in (*ARMS, *self.weights)]
        if unknown:
            known = ", ".join([*ARMS, *self.weights])
            raise ValueError(f"arms: there is no {', '.join(unknown)}; choose from {known}")
        check_anchors(self.anchors, self.weights)
        return self

    @model_validator(mode="after")
    def _channels_fit(self) -> "Experiment":
        check_channels(self)
        return self

    @model_validator(mode="after")
    def _baseline_is_a_network(self) -> "Experiment":
        if self.baseline in ARMS and not ARMS[self.baseline].network:
            raise ValueError(f"baseline {self.baseline!r} is a floor without a network; choose another arm")
        return self

    @model_validator(mode="after")
    def _sizes_agree(self) -> "Experiment":
        if self.backbone.image_size != self.crops.global_size:
            raise ValueError(
                f"backbone.image_size {self.backbone.image_size} must equal "
                f"crops.global_size {self.crops.global_size}"
            )
        if self.backbone.norm is not None:
            raise ValueError(
                "backbone.norm is what [weights.NAME] reads; a base that is pretrained has group norm"
            )
        self.auxiliary_head.check_width(self.backbone.dim)
        small_size = self.schedule.small_crops.size if self.schedule.small_crops else 0
        for section, size in (
            ("crops.local_size", self.crops.local_size if self.crops.num_local else 0),
            ("schedule.small_crops.size", small_size),
            ("features.crop_size", self.features.crop_size),
            ("finetune.view.image_size", self.finetune.view.image_size if self.finetune else 0),
        ):
            if size % self.backbone.stride:
                raise ValueError(
                    f"{section} {size} is not divisible by {self.backbone.stride}, the pixels between "
                    "positions of the backbone's last map"
                )
        if small_size >= self.crops.global_size:
            raise ValueError(
                f"schedule.small_crops.size {small_size} must be below "
                f"crops.global_size {self.crops.global_size}"
            )
        most = self.backbone.num_feature_blocks
        if max(self.features.num_blocks, self.linear.num_blocks) > most:
            raise ValueError(
                f"num_blocks exceeds the backbone's depth {most}"
                if not self.backbone.hierarchical
                else f"features.num_blocks and linear.num_blocks must be at most {most}: so many blocks has "
                f"the last stage of this {self.backbone.kind}, and other stages have another width"
            )
        if self.linear.num_blocks > self.features.num_blocks:
            raise ValueError(
                f"linear.num_blocks {self.linear.num_blocks} exceeds "
                f"features.num_blocks {self.features.num_blocks}"
            )
        if self.schedule.batch_size % self.schedule.accumulation_steps:
            raise ValueError(
                f"schedule.batch_size {self.schedule.batch_size} is not divisible by "
                f"accumulation_steps {self.schedule.accumulation_steps}"
            )
        return self

    @model_validator(mode="after")
    def _arms_can_be_trained(self) -> "Experiment":
        for arm in self.arms:
            if self.arm(arm).pretrained:
                try:
                    self.pretrain_config(arm, self.seeds[0]).check_devices(self.runtime.devices)
                except ValidationError as error:
                    message = error.errors()[0]["msg"].removeprefix("Value error, ")
                    raise ValueError(f"arm {arm!r}: {message}") from error
                except ValueError as error:
                    raise ValueError(f"arm {arm!r}: {error}") from error
        return self

    @model_validator(mode="after")
    def _batches_divide_among_ranks(self) -> "Experiment":
        for name in ("finetune", "segmentation", "detection"):
            section = getattr(self, name)
            if section is not None:
                size = section.schedule.batch_size
                parts = self.runtime.devices * getattr(section.schedule, "accumulation_steps", 1)
                if size % parts:
                    raise ValueError(
                        f"runtime.devices {self.runtime.devices} does not divide {name}.schedule.batch_size "
                        f"{size} into {parts} equal parts"
                    )
        return self

    @model_validator(mode="after")
    def _one_run_starts(self) -> "Experiment":
        pretrained = [arm for arm in self.arms if self.arm(arm).pretrained]
        of_one_run = self.start is not None and self.start.checkpoint is not None
        if of_one_run and (len(pretrained) != 1 or len(self.seeds) != 1):
            raise ValueError(
                f"start: a checkpoint is of one run, but there are the arms {pretrained} "
                f"with {len(self.seeds)} seeds; needs one pretrained arm and one seed"
            )
        return self

    @model_validator(mode="after")
    def _dense_probe_has_data(self) -> "Experiment":
        if self.dense_probe is not None and self.segmentation is None and self.detection is None:
            raise ValueError("dense_probe needs the data of segmentation or detection, and there is neither")
        return self

    @model_validator(mode="after")
    def _studied_heads_fit(self) -> "Experiment":
        for section in filter(None, (self.ablate, self.search)):
            if section.arm is not None and not (section.arm in ARMS and ARMS[section.arm].auxiliary):
                heads = [arm for arm, method in ARMS.items() if method.auxiliary]
                raise ValueError(f"arm {section.arm!r} has no auxiliary head to study; choose from {heads}")
            for name, head in section.heads(self.auxiliary_head).items():
                if name in ARMS:
                    raise ValueError(f"{name!r} is the name of an arm; give the head another")
                head.check_width(self.backbone.dim)
        if self.ablate is not None and self.runtime.devices > 1:
            arm = self.studied_arm(self.ablate)
            self.pretrain_config(arm, self.seeds[0]).check_devices(self.runtime.devices)
        return self

    @model_validator(mode="after")
    def _evaluations_fit(self) -> "Experiment":
        absent = [section for section in SECTIONS_OF.values() if getattr(self, section) is None]
        own = [data.source for key, data in self.data_sections().items() if not key.startswith("evaluate.")]
        check_evaluations(self.evaluate, self.arms, absent, own)
        for each in self.evaluate:
            each.check_sizes(self.features, self.backbone.stride)
        return self

    def data_sections(self) -> dict[str, DataConfig]:
        """Every data set of the experiment by the key of its section, in the order of the runs."""
        tasks = {"finetune": self.finetune, "segmentation": self.segmentation, "detection": self.detection}
        found = {"data": self.data} | {f"{name}.data": of.data for name, of in tasks.items() if of}
        found |= {f"evaluate.{each.name}.data": each.data for each in self.evaluate}
        return {key: data for key, data in found.items() if data is not None}

    def arm(self, name: str) -> Arm:
        """The method and the auxiliary head of an arm, or where else its weights come from."""
        return Arm(pretrained=False) if name in self.weights else ARMS[name]

    def studied_arm(self, section: AblateSection | SearchSection) -> str:
        """The arm whose auxiliary head a study varies."""
        arms = (arm for arm in (*self.arms, *ARMS) if self.arm(arm).auxiliary and arm != self.baseline)
        return section.arm or next(arms)

    def gain_over(self, arm: str) -> str:
        """The arm that a studied arm is compared with: its method without head, if that is an arm."""
        alone = self.arm(arm).alone
        return alone if alone in self.arms else self.baseline

    def initialize_config(self, seed: int) -> InitializeConfig:
        """Settings of the stage that draws random weights."""
        return InitializeConfig(backbone=self.backbone, normalization=self.data.normalization, seed=seed)

    def pixels_config(self, features: FeaturesConfig | None = None) -> PixelsConfig:
        """Settings of the stage that uses pixels as features: of the same crop that networks see.

        Args:
            features: how networks see the images; None: the experiment's own.
        """
        features = features or self.features
        side = min(self.pixels.side, features.crop_size)
        return PixelsConfig(
            resize=max(side, round(side * features.resize / features.crop_size)),
            side=side,
            normalization=self.data.normalization,
            batch_size=features.batch_size,
        )

    def pretrain_config(self, arm: str, seed: int) -> PretrainConfig:
        """Settings of one pretraining; the arms differ only in what `ARMS` states."""
        chosen = ARMS[arm]
        method = getattr(self, chosen.method)
        objective = (
            self.objective if chosen.patch_loss else self.objective.model_copy(update={"patch_weight": 0.0})
        )
        return PretrainConfig(
            method=method,
            backbone=self.backbone,
            auxiliary_head=self.auxiliary_head if chosen.auxiliary else None,
            projection_head=self.projection_head,
            objective=objective,
            regularisation=method.put_into(self.regularisation),
            crops=method.crops_taken(self.crops),
            masks=method.masks_taken(self.masks),
            schedule=method.put_into(self.schedule),
            normalization=self.data.normalization,
            seed=seed,
            start=self.start if self.start is not None and self.start.checkpoint else None,
            monitor=self.monitor if self.monitor.every_epochs or self.monitor.pictures_every_epochs else None,
        )

    def start_weights(self) -> ForeignConfig | None:
        """Another project's weights from which pretraining starts, or None."""
        start = self.start
        if start is None or start.source is None:
            return None
        # The run normalises images as its data section says, so this mean and std are not used.
        return ForeignConfig(
            source=start.source,
            sha256=start.sha256,
            key=start.key,
            num_heads=start.num_heads,
            image_size=self.backbone.image_size,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        )
