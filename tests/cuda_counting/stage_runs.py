"""Every stage that uses Jittor, on drawn images of 32 pixels: few steps of small networks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.backbone import BackboneConfig
from pipeline.config.dense import (
    DenseProbeConfig,
    DetectConfig,
    DetectHeadConfig,
    DetectViewConfig,
    FinetuneSchedule,
    SegmentConfig,
    SegmentHeadConfig,
    SegmentViewConfig,
)
from pipeline.config.finetune import ClassificationSchedule, ClassificationViewConfig, FinetuneConfig
from pipeline.config.linear_augmented import LinearAugmentedConfig, LinearAugmentedSection
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.stages import FeaturesConfig, InitializeConfig, PretrainConfig, RuntimeConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.evaluate.probes.settings import LinearConfig

SIDE, PATCH, BATCH, STEPS = 32, 8, 8, 6
RUNTIME = RuntimeConfig(device="cuda", threads=1, log_every_steps=10**6, checkpoint_every_minutes=10**6)
BASE = BackboneConfig(size="custom", image_size=SIDE, patch_size=PATCH, embed_dim=128, depth=2, num_heads=2)
FEATURES = FeaturesConfig(resize=SIDE, crop_size=SIDE, num_blocks=2, batch_size=BATCH)
SCHEDULE = FinetuneSchedule(num_steps=STEPS, batch_size=BATCH, lr=1e-3, warmup_steps=1, drop_path_rate=0.1)
PRETRAINING = PretrainConfig.model_validate(
    {
        "backbone": BASE.model_dump(),
        "auxiliary_head": {"depth": 2, "kernel_size": 3},
        "projection_head": {"hidden_dim": 64, "bottleneck_dim": 32, "num_prototypes": 96},
        "objective": {},
        "regularisation": {},
        "crops": {"global_size": SIDE},
        "masks": {},
        "schedule": {"epochs": STEPS, "batch_size": BATCH, "warmup_epochs": 0},
        "normalization": "dataset",
        "seed": 0,
    }
)
HEADS = {"conv": PRETRAINING.auxiliary_head, "mixer": AuxiliaryHeadConfig(kind="mixer", depth=1)}
DETECTION = DetectConfig(
    frozen=False,
    heads=DetectHeadConfig(
        width=32, num_levels=4, anchor_scale=4, finest_scale=16, inner_anchors_only=False, rpn_samples=32,
        num_proposals_per_level=40, num_proposals=30, num_test_proposals_per_level=40,
        num_test_proposals=20, roi_samples=16, box_convs=1, box_fcs=1, box_hidden_dim=32, mask_convs=1,
        score_threshold=0.0, max_detections=5,
    ),
    view=DetectViewConfig(
        short_sides=(SIDE,), max_long_side=2 * SIDE, test_short_side=SIDE, crop_sizes=(24, 48)
    ),
    schedule=SCHEDULE, seed=0, num_bootstrap=9, num_pictures=1,
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """Where the inputs are: folders of prepared images and of artifacts, by name."""

    library: str  # that counts
    output: str  # an empty folder
    images: str
    mosaics: str
    objects: str
    artifacts: dict[str, str]  # of stages that ran before


def _segment(head: str, frozen: bool) -> Callable[[Path, Job], None]:
    def run(output: Path, job: Job) -> None:
        from stages import segment

        view = SegmentViewConfig(crop_size=SIDE, resize=(SIDE, 2 * SIDE), inference="slide", stride=16)
        config = SegmentConfig(
            head=head, frozen=frozen, heads=SegmentHeadConfig(width=32, auxiliary_width=16), view=view,
            schedule=SCHEDULE, seed=0, num_bootstrap=9, num_pictures=1,
        )  # fmt: skip
        segment.run(config, output, backbone=_initial(job), data=Path(job.mosaics), runtime=RUNTIME)

    return run


def _initial(job: Job) -> Path:
    return Path(job.artifacts["initialize"])


def _initialize(output: Path, job: Job) -> None:
    from stages import initialize

    config = InitializeConfig(backbone=BASE, normalization="dataset", seed=1)
    initialize.run(config, output, data=Path(job.images), runtime=RUNTIME)


def _pretrain(output: Path, job: Job) -> None:
    from stages import pretrain

    pretrain.run(PRETRAINING, output, data=Path(job.images), runtime=RUNTIME)


def _search_train(output: Path, job: Job) -> None:
    from stages import search_train

    config = JointTrainingConfig(pretrain=PRETRAINING, candidates=HEADS)
    search_train.run(config, output, data=Path(job.images), runtime=RUNTIME)


def _features(output: Path, job: Job) -> None:
    from stages import features

    features.run(FEATURES, output, backbone=_initial(job), data=Path(job.images), runtime=RUNTIME)


def _linear_augmented(output: Path, job: Job) -> None:
    from stages import linear_augmented

    linear = LinearConfig(epochs=2, batch_size=16, base_lrs=(1e-2, 1.0), num_blocks=2, num_bootstrap=9)
    linear_augmented.run(
        LinearAugmentedConfig(views=LinearAugmentedSection(), linear=linear, features=FEATURES), output,
        features=Path(job.artifacts["features"]), backbone=_initial(job), data=Path(job.images),
        runtime=RUNTIME,
    )  # fmt: skip


def _finetune(output: Path, job: Job) -> None:
    from stages import finetune

    config = FinetuneConfig(
        view=ClassificationViewConfig(image_size=SIDE, resize=SIDE),
        schedule=ClassificationSchedule(epochs=2, batch_size=BATCH, base_lr=0.01, warmup_epochs=0),
        test_batch_size=BATCH, num_bootstrap=9, seed=0,
    )  # fmt: skip
    finetune.run(config, output, backbone=_initial(job), data=Path(job.images), runtime=RUNTIME)


def _dense_probe(output: Path, job: Job) -> None:
    from stages import dense_probe

    config = DenseProbeConfig(
        image_size=SIDE, max_train_patches=200, num_bootstrap=9, num_pictures=1, batch_size=BATCH
    )
    dense_probe.run(
        config, output, backbone=_initial(job), runtime=RUNTIME, segmentation=Path(job.mosaics),
        detection=Path(job.objects),
    )  # fmt: skip


def _detect(output: Path, job: Job) -> None:
    from stages import detect

    detect.run(DETECTION, output, backbone=_initial(job), data=Path(job.objects), runtime=RUNTIME)


def _images_of(prepared: Path, folder: Path) -> Path:
    """The test images of a prepared data set as files."""
    from PIL import Image

    from pipeline.datasets.prepared import PreparedDataset

    dataset = PreparedDataset.open(prepared)
    folder.mkdir()
    for row in dataset.indices("test").tolist():
        Image.fromarray(dataset.image(row)).save(folder / f"{row:03d}.png")
    return folder


def _embed(output: Path, job: Job) -> None:
    from pipeline.graph.finished import Arm
    from pipeline.inference.embedding import embed
    from pipeline.inference.images import Decoding, open_images
    from stages import embed as stage

    prepared, decoding = Path(job.images), Decoding.of_prepared(Path(job.images))
    arm = Arm(_initial(job) / "backbone.safetensors", prepared, FEATURES)
    source = open_images(str(_images_of(prepared, output / "images")), decoding.max_pixels)
    embedding, _ = stage.opened(arm, source, decoding, "", RUNTIME, with_patches=True)
    embed(embedding, output / "parts", lambda *counts: None)


def _predict(task: str, trained: str, file: str) -> Callable[[Path, Job], None]:
    def run(output: Path, job: Job) -> None:
        from pipeline.datasets.prepared import PreparedDataset
        from pipeline.inference.images import Decoding, open_images
        from pipeline.inference.models import open_model
        from pipeline.inference.predicting import Predictions

        prepared = Path({"segment": job.mosaics, "detect": job.objects, "classify": job.images}[task])
        decoding = Decoding.of_prepared(prepared)
        source = open_images(str(_images_of(prepared, output / "images")), decoding.max_pixels)
        model = open_model(Path(job.artifacts[trained]) / file, task)
        numbers = PreparedDataset.open(prepared).category_ids
        predictions = Predictions(model, source, decoding, output, numbers, 1, 1, 0.0, lambda *counts: None)
        getattr(predictions, task)()

    return run


STAGES: dict[str, Callable[[Path, Job], None]] = {
    "initialize": _initialize,
    "pretrain": _pretrain,
    "search-train": _search_train,
    "features": _features,
    "linear-augmented": _linear_augmented,
    "finetune": _finetune,
    "dense-probe": _dense_probe,
    "segment-linear-frozen": _segment("linear", frozen=True),
    "segment-uper-finetuned": _segment("uper", frozen=False),
    "detect": _detect,
    "embed": _embed,
    "predict-segment": _predict("segment", "segment-uper-finetuned", "model.safetensors"),
    "predict-detect": _predict("detect", "detect", "model.safetensors"),
    "predict-classify": _predict("classify", "finetune", "classifier.safetensors"),
}
