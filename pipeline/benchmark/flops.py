"""How many floating-point operations a pretraining step needs, by arithmetic.

Shapes: C crops, N patches of a crop, T = N + 1 tokens, D width, p patch side, M hidden patches.

A product of an (a, b) with a (b, c) matrix counts as 2abc operations. Norms, GELU, softmax, the
cross-entropy, the optimiser and the moving average count as none. A forward pass of one crop is

    patch embedding     2 N (3 p^2) D
    transformer block   24 T D^2 + 4 T^2 D     (q, k, v, out and the MLP of 4 D; two products of T x T)
    ConvNeXt block      16 N D^2 + 2 N k^2 D   (the MLP of 4 D; the depthwise convolution)

and a projection of a row to K prototypes is 2 (D h + (layers - 2) h^2 + h b + b K). A backward pass costs
twice its forward pass; the patch embedding, whose input takes no gradient, once. The student projects the
CLS rows of base and head and the hidden patches; the teacher the CLS rows of the head, the hidden patches,
and all its patches up to the bottleneck, for their mean. Padding is not counted: nobody needs that work.
"""

from itertools import pairwise

from pipeline.config.stages import PretrainConfig


def step_flops(config: PretrainConfig, num_images: int, num_hidden: float) -> float:
    """Operations of one optimiser step.

    Args:
        num_images: of the batch; each is seen as `crops.num_global` global crops, and no local ones.
        num_hidden: hidden patches of the whole batch, M.
    """
    crops = config.crops.num_global * num_images
    embedding = crops * _embedding_flops(config)
    rest = crops * (_blocks_flops(config) + _head_flops(config))
    to_bottleneck, to_prototypes = _projection_flops(config)
    auxiliary = config.auxiliary_head is not None
    student_rows = crops * (2 if auxiliary else 1) + num_hidden
    student = 3 * (rest + student_rows * (to_bottleneck + to_prototypes)) + 2 * embedding
    teacher = embedding + rest + crops * (to_bottleneck + to_prototypes)
    teacher += crops * num_patches(config) * to_bottleneck + (num_hidden + 1) * to_prototypes
    return student + teacher


def num_patches(config: PretrainConfig) -> int:
    """Patches of a global crop."""
    return (config.crops.global_size // config.backbone.patch_size) ** 2


def _embedding_flops(config: PretrainConfig) -> float:
    return 2.0 * num_patches(config) * 3 * config.backbone.patch_size**2 * config.backbone.embed_dim


def _blocks_flops(config: PretrainConfig) -> float:
    backbone = config.backbone
    tokens, width = num_patches(config) + 1, backbone.embed_dim
    linear = 2 * tokens * width**2 * (4 + 2 * backbone.mlp_ratio)
    return backbone.depth * (linear + 4 * tokens**2 * width)


def _head_flops(config: PretrainConfig) -> float:
    """Of the ConvNeXt head; 0 without a head.

    Raises:
        ValueError: a head of another kind.
    """
    head = config.auxiliary_head
    if head is None:
        return 0.0
    if head.kind != "convnext":
        raise ValueError(f"operations are counted for convnext heads only, got {head.kind!r}")
    patches, width = num_patches(config), config.backbone.embed_dim
    return head.depth * (16.0 * patches * width**2 + 2 * patches * head.kernel_size**2 * width)


def _projection_flops(config: PretrainConfig) -> tuple[float, float]:
    """Of one row: up to the bottleneck, and from there to the prototypes."""
    head = config.projection_head
    widths = [config.backbone.embed_dim, *[head.hidden_dim] * (head.num_layers - 1), head.bottleneck_dim]
    to_bottleneck = sum(2.0 * a * b for a, b in pairwise(widths))
    return to_bottleneck, 2.0 * head.bottleneck_dim * head.num_prototypes
