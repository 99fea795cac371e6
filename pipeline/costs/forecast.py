"""Forecasts a stage's seconds on a processor where it has never run: one function per kind of stage.

A training step takes (its operations + STEP_OPERATIONS) / (SHARE x this machine's rate of matrix products).
STEP_OPERATIONS stands for everything but matrix products: other operators, the optimiser, Python. Measured
values are marked; they were measured with this project on two cores of an AMD EPYC with AVX2 that reaches
130 GFLOP/s, on 28 November 2026. A forecast is right to about a factor of 2.
"""

from dataclasses import dataclass

from pipeline.config.backbone import BackboneConfig
from pipeline.config.data import DataConfig
from pipeline.config.dense import DenseProbeConfig, DetectConfig, SegmentConfig
from pipeline.config.duplicates import DuplicatesConfig
from pipeline.config.few_shot import FewShotConfig
from pipeline.config.finetune import FinetuneConfig
from pipeline.config.linear_augmented import LinearAugmentedConfig
from pipeline.config.stages import FeaturesConfig, PixelsConfig, PretrainConfig
from pipeline.config.views import ViewsConfig
from pipeline.costs.decoders import detection_multiplications, segmentation_multiplications, trained_masks
from pipeline.costs.multiplications import backbone_multiplications, embedding_multiplications
from pipeline.costs.pretraining import step_operations
from pipeline.costs.probes import search_operations, sweep_operations
from pipeline.evaluate.probes.settings import LinearConfig, LogisticConfig
from pipeline.transforms.crop_sizes import crops_by_share

# Share of the rate of matrix products that a training step reaches. Measured: 0.77 for ViT-S/16 at 224 px,
# 0.58 for `cifar10` (26 November 2026, an AMD EPYC with AVX-512 and 219 GFLOP/s), 0.5 for `quickstart`.
SHARE = 0.72
STEP_OPERATIONS = 5e9  # measured: a step of `quickstart`, 7e9 to 11e9 operations, takes 0.12 to 0.16 s
# Measured: 1200 steps of a linear head on a frozen base take 35 s with `quickstart`, 39 s with CamVid.
LINEAR_STEP_OPERATIONS = 2.3e9
START_SECONDS = 1.8  # measured: `initialize`, which starts Jittor and draws a network
# Measured: how much longer the first stage of a kind takes than later ones, because it compiles operators.
COMPILE_SECONDS = {
    "core": 120.0, "pretrain": 46.0, "dense_probe": 6.0, "segment-linear": 28.0, "segment-uper": 62.0,
    "detect": 82.0,
}  # fmt: skip
# Measured with `quickstart`: seconds per pixel of the images that `prepare` draws.
DRAWN_PIXEL_SECONDS = {"patches": 7.7e-7, "mosaics": 1.5e-6, "objects": 2.1e-6}
# Measured in `features`, the probes and the tests of `smoke` and `quickstart`.
READ_IMAGE_SECONDS = 5e-4  # of one core, to read and crop an image of 32 pixels and pass it on
READ_PIXEL_SECONDS = 4e-8  # likewise, per pixel: 128 files of 500 x 375 pixels a second, see docs/speed.md
NEIGHBOUR_SECONDS = 4e-8  # k-NN, per query and image of the bank, without the matrix product
SMALL_IMAGE_SECONDS = 2e-4  # `duplicates`: to make the thumbnail of an image of 32 to 96 px
SMALL_PIXELS = 256  # of a thumbnail
LABEL_MAP_SECONDS = 3e-4  # `position`: to read and count a label map of 64 x 64 px
# Share of the rate of matrix products that the sweep of the linear probe reaches.
SWEEP_SHARE = 0.9
ITERATION_SECONDS = 4e-4  # an iteration of logistic regression, however small
ITERATION_PRODUCT_SECONDS = 2.6e-10  # and in addition for each image x channel x class
ITERATIONS_SHARE = 0.1  # of the iterations that the regressions may use: the share that they do use
FEW_SHOT_ITERATIONS = 100  # measured with `smoke`: 45 to 154 for 1 to 10 shots
PATCH_PROBES_SECONDS, PATCH_SECONDS = 3.7, 6e-5  # `dense_probe`: in all, and per patch
SEGMENTED_IMAGE_SECONDS, DETECTED_IMAGE_SECONDS = 0.01, 0.03  # per test image, besides matrix products
# Measured; nearly the same in every experiment.
CURVES_SECONDS, TABLES_SECONDS, REPORT_SECONDS, PROBE_SECONDS = 1.6, 0.2, 21.0, 0.1


@dataclass(frozen=True)
class Images:
    """Number of images in each split, and of classes."""

    train: int
    val: int
    test: int
    num_classes: int

    @property
    def all(self) -> int:
        """Number of images in all splits together."""
        return self.train + self.val + self.test


@dataclass(frozen=True)
class Machine:
    """The processor: floating-point operations per second in float32 matrix products, and threads."""

    rate: float
    threads: int

    def step_seconds(self, operations: float, overhead: float = STEP_OPERATIONS) -> float:
        """Seconds of a training step; everything but products takes as long as `overhead` operations."""
        return (operations + overhead) / (SHARE * self.rate)

    def forward_seconds(self, multiplications: float) -> float:
        """Seconds that the matrix products of a forward pass take."""
        return 2 * multiplications / (SHARE * self.rate)

    def reading_seconds(self, pixels: float) -> float:
        """Seconds to read an image of so many pixels, if every thread reads images."""
        return (READ_IMAGE_SECONDS + READ_PIXEL_SECONDS * pixels) / self.threads


def prepare_seconds(config: DataConfig) -> float | None:
    """Seconds to draw the images; None for images on disk, whose number is known once they are prepared."""
    images, drawn = drawn_images(config, 1), config.photo_scenes
    if images is None:
        return None
    return 0.5 + images.all * drawn.image_size**2 * DRAWN_PIXEL_SECONDS[drawn.drawing]


def drawn_images(config: DataConfig, num_classes: int) -> Images | None:
    """Image counts of a drawn data set, from its configuration; None for any other data set."""
    if config.source != "photo-scenes":
        return None
    drawn = config.photo_scenes
    return Images(drawn.num_train, drawn.num_val, drawn.num_test, num_classes)


def pretrain_seconds(config: PretrainConfig, images: Images, machine: Machine) -> float:
    """Seconds that all training steps take in float32.

    In bfloat16, on a processor with instructions for it, they take up to 1.65 times less.
    """
    num_steps = max(1, round(config.schedule.epochs * images.train / config.schedule.batch_size))
    parts, step_seconds = config.schedule.accumulation_steps, 0.0
    for share, crops in crops_by_share(config.crops, config.schedule):
        operations = step_operations(config.model_copy(update={"crops": crops}))
        step_seconds += share * parts * machine.step_seconds(operations / parts)
    return START_SECONDS + num_steps * step_seconds


def features_seconds(
    config: FeaturesConfig, backbone: BackboneConfig, images: Images, machine: Machine
) -> float:
    """Seconds to compute the features of all images."""
    encoded = machine.forward_seconds(backbone_multiplications(backbone, config.crop_size))
    return START_SECONDS + images.all * (encoded + machine.reading_seconds(config.resize**2))


def views_seconds(config: ViewsConfig, backbone: BackboneConfig, images: Images, machine: Machine) -> float:
    """Seconds to compute features and pictures of a sample of test and training images."""
    sample = Images(min(images.train, config.num_bank), 0, min(images.test, config.num_shown), 0)
    return features_seconds(config.features, backbone, sample, machine)


def pixels_seconds(config: PixelsConfig, images: Images, machine: Machine) -> float:
    """Seconds to read all images and to shrink them."""
    return PROBE_SECONDS + images.all * machine.reading_seconds(config.resize**2)


def duplicates_seconds(config: DuplicatesConfig, images: Images, machine: Machine) -> float:
    """Seconds to shrink the images, and to compare every pair."""
    compared = min(images.all, config.max_images)
    products = search_operations(compared, compared, SMALL_PIXELS) / (SHARE * machine.rate)
    pairs = compared**2 * NEIGHBOUR_SECONDS + products
    return PROBE_SECONDS + compared * SMALL_IMAGE_SECONDS + pairs


def position_seconds(images: Images) -> float:
    """Seconds to read the label maps of the training and the test images."""
    return PROBE_SECONDS + (images.train + images.test) * LABEL_MAP_SECONDS


def knn_seconds(dim: int, images: Images, machine: Machine) -> float:
    """Seconds to find the neighbours of every validation and test image among the training images."""
    queries = images.val + images.test
    products = search_operations(queries, images.train, dim) / (SHARE * machine.rate)
    return PROBE_SECONDS + queries * images.train * NEIGHBOUR_SECONDS + products


def linear_seconds(config: LinearConfig, backbone: BackboneConfig, images: Images, machine: Machine) -> float:
    """Seconds to train the linear classifiers of all learning rates."""
    channels = backbone.dim * (config.num_blocks + config.average_pool)
    operations = sweep_operations(
        images.train,
        channels,
        num_classes=images.num_classes,
        num_rates=len(config.base_lrs),
        epochs=config.epochs,
    )
    return PROBE_SECONDS + operations / (SWEEP_SHARE * machine.rate)


def linear_augmented_seconds(
    config: LinearAugmentedConfig, backbone: BackboneConfig, images: Images, machine: Machine
) -> float:
    """Seconds to compute the training images' features in every epoch, and to train on them."""
    train = Images(images.train * config.linear.epochs, 0, 0, 0)
    passes = features_seconds(config.features, backbone, train, machine)
    return passes + linear_seconds(config.linear, backbone, images, machine)


def logistic_seconds(config: LogisticConfig, backbone: BackboneConfig, images: Images) -> float:
    """Seconds for all regressions."""
    one = ITERATION_SECONDS
    one += images.train * backbone.dim * images.num_classes * ITERATION_PRODUCT_SECONDS
    iterations = ITERATIONS_SHARE * len(config.inverse_strengths) * config.max_iterations
    return PROBE_SECONDS + iterations * one


def few_shot_seconds(config: FewShotConfig, dim: int, images: Images, machine: Machine) -> float:
    """Seconds for all methods, numbers of shots and draws."""
    seconds = PROBE_SECONDS
    for shots in config.shots:
        bank = shots * images.num_classes
        searched = search_operations(images.test, bank, dim) / (SHARE * machine.rate)
        iteration = ITERATION_SECONDS + bank * dim * images.num_classes * ITERATION_PRODUCT_SECONDS
        of_method = {
            "knn": images.test * bank * NEIGHBOUR_SECONDS + searched,
            "logistic": FEW_SHOT_ITERATIONS * iteration,
        }
        seconds += config.draws * sum(of_method[method] for method in config.methods)
    return seconds


def finetune_seconds(
    config: FinetuneConfig, backbone: BackboneConfig, images: Images, machine: Machine
) -> float:
    """Seconds to fine-tune on `images.train` labelled images and classify the validation and test images."""
    schedule, size = config.schedule, config.view.image_size
    forward = backbone_multiplications(backbone, size)
    num_steps = max(1, schedule.min_steps, round(schedule.epochs * images.train / schedule.batch_size))
    part = schedule.batch_size / schedule.accumulation_steps
    step = machine.step_seconds(2 * part * (3 * forward - embedding_multiplications(backbone, size)))
    tested = machine.forward_seconds(forward) + machine.reading_seconds(config.view.resize**2)
    trained = num_steps * schedule.accumulation_steps * step
    return START_SECONDS + trained + (images.val + images.test) * tested


def segment_seconds(
    config: SegmentConfig, backbone: BackboneConfig, images: Images, machine: Machine
) -> float:
    """Seconds to train and to segment the test images; images count as squares of the short side."""
    view, batch = config.view, config.schedule.batch_size

    def network(size: float) -> tuple[float, float]:
        decoder = segmentation_multiplications(
            config.heads, config.head, backbone, size**2, num_classes=images.num_classes
        )
        return backbone_multiplications(backbone, size), decoder

    base, decoder = network(view.crop_size)
    overhead = LINEAR_STEP_OPERATIONS if config.head == "linear" and config.frozen else STEP_OPERATIONS
    step = machine.step_seconds(2 * batch * ((1 if config.frozen else 3) * base + 3 * decoder), overhead)
    base, decoder = network(view.resize[0])
    # Sliding windows see a position as often as they overlap.
    seen = (view.crop_size / view.stride) ** 2 if view.inference == "slide" else 1.0
    tested = SEGMENTED_IMAGE_SECONDS + seen * machine.forward_seconds(base + decoder)
    return START_SECONDS + config.schedule.num_steps * step + images.test * tested


def detect_seconds(config: DetectConfig, backbone: BackboneConfig, images: Images, machine: Machine) -> float:
    """Seconds to train and to detect objects in the test images."""
    view, heads, batch = config.view, config.heads, config.schedule.batch_size

    def network(short_side: float, **looked_at: float) -> tuple[float, float]:
        pixels = short_side * min(short_side * 4 / 3, view.max_long_side)  # most photographs are 4 : 3
        decoder = detection_multiplications(
            heads, backbone, pixels, num_classes=images.num_classes, **looked_at
        )
        return backbone_multiplications(backbone, pixels**0.5), decoder

    short_side = sum(view.short_sides) / len(view.short_sides)
    base, decoder = network(short_side, num_boxes=heads.roi_samples, num_masks=trained_masks(heads))
    step = machine.step_seconds(2 * batch * ((1 if config.frozen else 3) * base + 3 * decoder))
    found = {"num_boxes": heads.num_test_proposals, "num_masks": heads.max_detections}
    tested = DETECTED_IMAGE_SECONDS + machine.forward_seconds(sum(network(view.test_short_side, **found)))
    return START_SECONDS + config.schedule.num_steps * step + images.test * tested


def dense_probe_seconds(
    config: DenseProbeConfig, backbone: BackboneConfig, num_images: int, machine: Machine
) -> float:
    """Seconds of the probes of patch features, for data with `num_images` images in all."""
    encoded = machine.forward_seconds(backbone_multiplications(backbone, config.image_size))
    patches = (config.image_size // backbone.stride) ** 2
    return START_SECONDS + PATCH_PROBES_SECONDS + num_images * (encoded + patches * PATCH_SECONDS)
