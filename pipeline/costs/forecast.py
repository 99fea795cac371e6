"""How long a stage is expected to take on a processor where it never ran: a function for each kind of stage.

A training step takes (its operations + STEP_OPERATIONS) / (SHARE x the rate of products on this machine). The
second term stands for what is no product: operators, the optimiser, Python. All that was measured is marked;
it was measured with this project on two cores of an AMD EPYC with AVX2 that reaches 130 GFLOP/s, on 28
November 2026. Such a forecast is good to about a factor of 2.
"""

from dataclasses import dataclass

from pipeline.config.backbone import BackboneConfig
from pipeline.config.data import DataConfig
from pipeline.config.dense import DenseProbeConfig, DetectConfig, SegmentConfig
from pipeline.config.finetune import FinetuneConfig
from pipeline.config.stages import FeaturesConfig, PretrainConfig
from pipeline.costs.decoders import detection_multiplications, segmentation_multiplications, trained_masks
from pipeline.costs.multiplications import backbone_multiplications, embedding_multiplications
from pipeline.costs.pretraining import step_operations
from pipeline.costs.probes import search_operations, sweep_operations
from pipeline.evaluate.probes.settings import LinearConfig, LogisticConfig

# Measured: steps of ViT-S/16 at 224 pixels reach 0.77 of the rate of products, of `cifar10` 0.58 (26 November
# 2026, an AMD EPYC with AVX-512 and 219 GFLOP/s), of `quickstart` 0.3.
SHARE = 0.72
STEP_OPERATIONS = 8e9  # measured: steps of `quickstart`, 7 to 11 thousand millions in 0.2 to 0.3 s
# Measured likewise: a linear head on a frozen base, of `quickstart` 35 s for 1200 steps, of `camvid` 39 s.
LINEAR_STEP_OPERATIONS = 2.3e9
START_SECONDS = 1.8  # measured: `initialize`, which starts Jittor and draws a network
# Measured, of a stage that was the first of its kind: what it took longer than a later one.
COMPILE_SECONDS = {
    "core": 120.0, "pretrain": 46.0, "dense_probe": 6.0, "segment-linear": 28.0, "segment-uper": 62.0,
    "detect": 82.0,
}  # fmt: skip
# Measured: images drawn by `prepare`, seconds a pixel, with `quickstart`.
DRAWN_PIXEL_SECONDS = {"patches": 7.7e-7, "mosaics": 1.5e-6, "objects": 2.1e-6}
# Measured: `features`, probes and tests of `smoke`, and of `quickstart` beside other work.
READ_IMAGE_SECONDS = 1.5e-3  # of one core: an image of 32 pixels read, cropped and handed over
READ_PIXEL_SECONDS = 4e-8  # likewise, a pixel: 128 files of 500 x 375 pixels a second, see docs/speed.md
NEIGHBOUR_SECONDS = 4e-8  # of k-NN, a query beside an image of the bank, without the product
SWEEP_SHARE = 0.4  # of the rate of products, that the sweep of the linear probe reaches
ITERATION_SECONDS = 1e-3  # of logistic regression, however small
ITERATION_PRODUCT_SECONDS = 1.5e-9  # likewise, for each image x channel x class
PATCH_PROBES_SECONDS, PATCH_SECONDS = 3.7, 1.5e-4  # of `dense_probe`: whole, and a patch
SEGMENTED_IMAGE_SECONDS, DETECTED_IMAGE_SECONDS = 0.01, 0.03  # a test image, beside the network's products
# Measured, and much the same for any experiment.
CURVES_SECONDS, TABLES_SECONDS, REPORT_SECONDS, PROBE_SECONDS = 1.6, 0.2, 21.0, 0.1


@dataclass(frozen=True)
class Images:
    """How many images of each split, and classes."""

    train: int
    val: int
    test: int
    num_classes: int

    @property
    def all(self) -> int:
        """Of all splits."""
        return self.train + self.val + self.test


@dataclass(frozen=True)
class Machine:
    """What computes: operations a second of float32 products, and threads."""

    rate: float
    threads: int

    def step_seconds(self, operations: float, overhead: float = STEP_OPERATIONS) -> float:
        """Of one training step, whose operators beside the products take as long as `overhead` operations."""
        return (operations + overhead) / (SHARE * self.rate)

    def forward_seconds(self, multiplications: float) -> float:
        """Of products alone."""
        return 2 * multiplications / (SHARE * self.rate)

    def reading_seconds(self, pixels: float) -> float:
        """Of an image of so many pixels."""
        return (READ_IMAGE_SECONDS + READ_PIXEL_SECONDS * pixels) / self.threads


def prepare_seconds(config: DataConfig) -> float | None:
    """None for images of others, which are not counted before they are prepared."""
    images, drawn = drawn_images(config, 1), config.photo_scenes
    if images is None:
        return None
    return 0.5 + images.all * drawn.image_size**2 * DRAWN_PIXEL_SECONDS[drawn.drawing]


def drawn_images(config: DataConfig, num_classes: int) -> Images | None:
    """The images of a set that the configuration names the sizes of; None for any other."""
    if config.source != "photo-scenes":
        return None
    drawn = config.photo_scenes
    return Images(drawn.num_train, drawn.num_val, drawn.num_test, num_classes)


def pretrain_seconds(config: PretrainConfig, images: Images, machine: Machine) -> float:
    """Of all steps in float32; in bfloat16, on a processor that multiplies it, up to 1.65 times less."""
    num_steps = max(1, round(config.schedule.epochs * images.train / config.schedule.batch_size))
    parts = config.schedule.accumulation_steps
    return START_SECONDS + num_steps * parts * machine.step_seconds(step_operations(config) / parts)


def features_seconds(
    config: FeaturesConfig, backbone: BackboneConfig, images: Images, machine: Machine
) -> float:
    """Of every image of the set."""
    encoded = machine.forward_seconds(backbone_multiplications(backbone, config.crop_size))
    return START_SECONDS + images.all * (encoded + machine.reading_seconds(config.resize**2))


def knn_seconds(backbone: BackboneConfig, images: Images, machine: Machine) -> float:
    """Of validation and test images beside the training images."""
    queries = images.val + images.test
    products = search_operations(queries, images.train, backbone.dim) / (SHARE * machine.rate)
    return PROBE_SECONDS + queries * images.train * NEIGHBOUR_SECONDS + products


def linear_seconds(config: LinearConfig, backbone: BackboneConfig, images: Images, machine: Machine) -> float:
    """Of the sweep over all learning rates."""
    channels = backbone.dim * (config.num_blocks + config.average_pool)
    operations = sweep_operations(
        images.train,
        channels,
        num_classes=images.num_classes,
        num_rates=len(config.base_lrs),
        epochs=config.epochs,
    )
    return PROBE_SECONDS + operations / (SWEEP_SHARE * machine.rate)


def logistic_seconds(config: LogisticConfig, backbone: BackboneConfig, images: Images) -> float:
    """As if every regression took all its iterations."""
    one = ITERATION_SECONDS
    one += images.train * backbone.dim * images.num_classes * ITERATION_PRODUCT_SECONDS
    return PROBE_SECONDS + len(config.inverse_strengths) * config.max_iterations * one


def finetune_seconds(
    config: FinetuneConfig, backbone: BackboneConfig, images: Images, machine: Machine
) -> float:
    """`images.train`: those that are learned from."""
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
    """Of training and of the test images, taken as squares of the short side."""
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
    """Of training and of the test images."""
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
    """num_images: whose patches are read."""
    encoded = machine.forward_seconds(backbone_multiplications(backbone, config.image_size))
    patches = (config.image_size // backbone.stride) ** 2
    return START_SECONDS + PATCH_PROBES_SECONDS + num_images * (encoded + patches * PATCH_SECONDS)
