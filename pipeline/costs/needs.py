"""What a stage needs at least: bytes of memory while it runs, and of disk for its output.

These are lower bounds, so that nothing is refused that would fit: weights, the optimiser's state, and the
activations that blocks keep for the backward pass. Not counted: biases and norms, the auxiliary head, losses,
decoders, Python and its libraries.
"""

from dataclasses import dataclass

from pipeline.config.backbone import BackboneConfig
from pipeline.config.dense import DetectConfig, SegmentConfig
from pipeline.config.finetune import FinetuneConfig
from pipeline.config.section import Section
from pipeline.config.stages import FeaturesConfig, PretrainConfig
from pipeline.costs.weights import backbone_weights, projection_weights

COUNTED = ("pretrain", "features", "finetune", "segment", "detect")  # stages
_NUMBER = 4  # bytes of a float32
_MOMENTS = {"adamw": 2, "sgd": 1, "lars": 1}  # numbers that an optimiser keeps for each weight
_WITH_TEACHER = ("ibot", "mocov3", "byol")


@dataclass(frozen=True)
class Need:
    """Lower bounds, in bytes.

    Attributes:
        held: memory for weights, gradients and moments, whatever the batch.
        of_batch: memory for the images of one forward pass and for their activations.
        disk: output and a checkpoint; a training keeps two checkpoints once it has saved twice.
        batch_key: the setting that reduces `of_batch`.
    """

    held: float
    of_batch: float
    disk: float
    batch_key: str

    @property
    def memory(self) -> float:
        """Bytes of memory in all."""
        return self.held + self.of_batch


def least_need(config: Section, backbone: BackboneConfig, num_images: int) -> Need:
    """The least that one of the stages in `COUNTED` needs on a processor.

    Args:
        backbone: the one that the stage trains or reads.
        num_images: of the data set; 0 if unknown.
    """
    match config:
        case PretrainConfig():
            return _pretrain(config)
        case FeaturesConfig():
            images = config.batch_size * 3 * config.crop_size**2 * _NUMBER
            numbers = num_images * config.num_blocks * backbone.dim
            disk = numbers * (2 if config.dtype == "float16" else _NUMBER)
            return Need(_NUMBER * backbone_weights(backbone), images, disk, "lower features.batch_size")
        case FinetuneConfig():
            part = config.schedule.batch_size // config.schedule.accumulation_steps
            kept = part * _activation_bytes(backbone, config.view.image_size)
            return _finetuned(backbone, kept, "raise finetune.schedule.accumulation_steps")
        case SegmentConfig():
            kept = config.schedule.batch_size * _activation_bytes(backbone, config.view.crop_size)
            return _dense(config, backbone, kept, "lower segmentation.schedule.batch_size")
    # Images are as long as they are: at least squares of the smallest short side.
    kept = config.schedule.batch_size * _activation_bytes(backbone, min(config.view.short_sides))
    return _dense(config, backbone, kept, "lower detection.schedule.batch_size")


def _pretrain(config: PretrainConfig) -> Need:
    schedule, crops = config.schedule, config.crops
    student = backbone_weights(config.backbone) + projection_weights(config)
    teacher = student if config.method.name in _WITH_TEACHER else 0
    moments = _MOMENTS[schedule.optimizer] * student
    kept = crops.num_global * _activation_bytes(config.backbone, crops.global_size)
    kept += crops.num_local * _activation_bytes(config.backbone, crops.local_size)
    if config.method.name == "mae":  # the base encodes the visible patches alone
        kept *= 1 - config.method.mask_ratio
    images = schedule.batch_size / schedule.accumulation_steps
    whole = config.method.whole_batch or (config.method.prototypes and config.projection_head.norm == "batch")
    key = "lower schedule.batch_size" if whole else "raise schedule.accumulation_steps"
    held = _NUMBER * (2 * student + teacher + moments)  # gradients are as many as weights
    return Need(held, images * kept, _NUMBER * (student + teacher + moments), key)


def _dense(config: SegmentConfig | DetectConfig, backbone: BackboneConfig, kept: float, key: str) -> Need:
    if not config.frozen:
        return _finetuned(backbone, kept, key)
    return Need(_NUMBER * backbone_weights(backbone), 0.0, 0.0, key)


def _finetuned(backbone: BackboneConfig, kept: float, key: str) -> Need:
    """AdamW holds weights, gradients and two moments; a checkpoint has all but the gradients."""
    weights = _NUMBER * backbone_weights(backbone)
    return Need(4 * weights, kept, 3 * weights, key)


def _activation_bytes(backbone: BackboneConfig, size: int) -> float:
    """Bytes of activations that a base's blocks keep for one image.

    A transformer block keeps its input, queries, keys and values, the attention's output, the sum after it,
    and the hidden layer of its MLP, as listed in `pipeline.kernels.transformer_block`; without that kernel it
    keeps more. For ConvNeXt the inputs of matrix products are counted, for a ResNet those of convolutions and
    norms.
    """
    if backbone.kind == "vit":
        tokens = (size // backbone.patch_size) ** 2 + 1 + (backbone.register_tokens or 0)
        return _NUMBER * backbone.depth * tokens * _numbers_per_position(backbone) * backbone.embed_dim
    stages = zip(backbone.depths, backbone.stage_dims, backbone.stage_strides, strict=True)
    numbers = sum(depth * (size // stride) ** 2 * dim for depth, dim, stride in stages)
    return _NUMBER * _numbers_per_position(backbone) * numbers


def _numbers_per_position(backbone: BackboneConfig) -> float:
    """Numbers that a block keeps per position and channel."""
    match backbone.kind:
        case "vit" | "swin":
            return 6 + backbone.mlp_ratio
        case "convnext":  # of the depthwise convolution and the MLP's two products
            return 2 + backbone.mlp_ratio
    # Of two convolutions and norms; of three in a bottleneck, whose middle has a quarter of the width.
    return 3.0 if backbone.bottleneck else 4.0
