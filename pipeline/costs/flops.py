"""How many floating-point operations a pretraining step needs, by arithmetic.

Shapes: N patches of a crop, T = N + 1 tokens, D width, p patch side, M hidden patches, K prototypes.

A product of an (a, b) with a (b, c) matrix counts as 2abc operations. Norms, GELU, softmax, the
cross-entropy, the optimiser and the moving average count as none. A forward pass of one crop is

    patch embedding     2 N (3 p^2) D
    transformer block   24 T D^2 + 4 T^2 D     (q, k, v, out and the MLP of 4 D; two products of T x T)
    ConvNeXt block      16 N D^2 + 2 N k^2 D   (the MLP of 4 D; the depthwise convolution)

and a projection of a row to K prototypes is 2 (D h + (layers - 2) h^2 + h b + b K). A backward pass costs
twice its forward pass; the patch embedding, whose input takes no gradient, once. The student sees all crops
and projects the CLS rows of base and head and the hidden patches; the teacher sees the global crops, and
projects the CLS rows of the head, the hidden patches, and all its patches up to the bottleneck, for their
mean. Padding is not counted: nobody needs that work.
"""

from itertools import pairwise

from pipeline.config.stages import PretrainConfig


def step_flops(config: PretrainConfig, num_images: int, num_hidden: float) -> float:
    """Operations of one optimiser step of iBOT, DINO, or HSSL upon them with a ConvNeXt head.

    Args:
        num_images: of the batch.
        num_hidden: hidden patches of the whole batch, M.

    Raises:
        ValueError: another method, base or head: what they need was not counted.
    """
    _check(config)
    crops, auxiliary = config.crops, config.auxiliary_head is not None
    to_bottleneck, to_prototypes = _projection_flops(config)
    student = 0.0
    for views, size in ((crops.num_global, crops.global_size), (crops.num_local, crops.local_size)):
        patches = num_patches(config, size)
        rows = 2 if auxiliary else 1
        passed = _blocks_flops(config, patches) + _head_flops(config, patches)
        each = 3 * (passed + rows * (to_bottleneck + to_prototypes)) + 2 * _embedding_flops(config, patches)
        student += views * num_images * each
    seen = crops.num_global * num_images
    patches = num_patches(config, crops.global_size)
    teacher = (
        _embedding_flops(config, patches) + _blocks_flops(config, patches) + _head_flops(config, patches)
    )
    teacher = seen * (teacher + to_bottleneck + to_prototypes)
    if not config.objective.patch_weight:
        return student + teacher
    student += 3 * num_hidden * (to_bottleneck + to_prototypes)
    return student + teacher + seen * patches * to_bottleneck + (num_hidden + 1) * to_prototypes


def expected_hidden(config: PretrainConfig, num_images: int) -> float:
    """Hidden patches of a batch that masks hide on average: at most, for a block may not fit."""
    share = sum(config.masks.ratios) / len(config.masks.ratios)
    return share * config.crops.num_global * num_images * num_patches(config, config.crops.global_size)


def num_patches(config: PretrainConfig, size: int) -> int:
    """Patches of a crop of `size` pixels."""
    return (size // config.backbone.patch_size) ** 2


def _check(config: PretrainConfig) -> None:
    head = config.auxiliary_head
    kinds = {
        "method": config.method.name == "ibot",
        "base": config.backbone.kind == "vit",
        "auxiliary head": head is None or head.kind == "convnext",
    }
    unknown = [name for name, counted in kinds.items() if not counted]
    if unknown:
        raise ValueError(f"operations of this {' and '.join(unknown)} are not counted")


def _embedding_flops(config: PretrainConfig, patches: int) -> float:
    return 2.0 * patches * 3 * config.backbone.patch_size**2 * config.backbone.embed_dim


def _blocks_flops(config: PretrainConfig, patches: int) -> float:
    backbone = config.backbone
    tokens, width = patches + 1, backbone.embed_dim
    linear = 2 * tokens * width**2 * (4 + 2 * backbone.mlp_ratio)
    return backbone.depth * (linear + 4 * tokens**2 * width)


def _head_flops(config: PretrainConfig, patches: int) -> float:
    head, width = config.auxiliary_head, config.backbone.embed_dim
    if head is None:
        return 0.0
    return head.depth * (16.0 * patches * width**2 + 2 * patches * head.kernel_size**2 * width)


def _projection_flops(config: PretrainConfig) -> tuple[float, float]:
    """Of one row: up to the bottleneck, and from there to the prototypes."""
    head = config.projection_head
    widths = [config.backbone.embed_dim, *[head.hidden_dim] * (head.num_layers - 1), head.bottleneck_dim]
    to_bottleneck = sum(2.0 * a * b for a, b in pairwise(widths))
    return to_bottleneck, 2.0 * head.bottleneck_dim * head.num_prototypes
