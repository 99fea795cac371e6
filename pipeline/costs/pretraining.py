"""Counts the floating-point operations of a pretraining step, for every method.

A multiplication with its addition counts as 2 operations; `pipeline.costs.multiplications` counts the
multiplications of a forward pass. A backward pass takes twice its forward pass, for the gradients of both
factors of a product; once where one factor has no gradient, such as the images or a teacher's vectors. The
optimiser, the moving average and everything that is not a product count nothing.

Only what the step needs is counted, neither padding nor what is recomputed to save memory. Two
simplifications: a detached head counts like any other, and the patch loss counts from the first step.

Symbols: V global views of B images, N positions of a view's last map, D the base's width.
"""

from pipeline.config.stages import PretrainConfig
from pipeline.costs.multiplications import (
    backbone_multiplications,
    blocks_multiplications,
    dense_multiplications,
    embedding_multiplications,
    head_multiplications,
)
from pipeline.models.input_channels import input_channels


def step_operations(config: PretrainConfig, num_hidden: float | None = None) -> float:
    """Floating-point operations of one optimiser step on a whole batch.

    Args:
        num_hidden: hidden patches of the batch, for iBOT; None: the average over its masks. MAE hides the
            same number in every batch.

    Raises:
        ValueError: the method's operations are not counted here.
    """
    if config.method.name == "ibot":
        num_hidden = expected_hidden(config) if num_hidden is None else num_hidden
        return 2 * (_ibot(config, num_hidden) - _unneeded(config, num_hidden))
    if not is_counted(config):
        raise ValueError(f"operations of the method {config.method.name!r} are not counted")
    return 2 * (_OTHERS[config.method.name](config) - _unneeded(config, 0))


def unneeded_operations(config: PretrainConfig, num_hidden: float | None = None) -> float:
    """Operations of one step that networks which return every token would do beside `step_operations`.

    Args:
        num_hidden: as of `step_operations`.
    """
    num_hidden = expected_hidden(config) if num_hidden is None else num_hidden
    return 2 * _unneeded(config, num_hidden if config.method.name == "ibot" else 0)


def is_counted(config: PretrainConfig) -> bool:
    """Whether this file can count the method's operations."""
    return config.method.name in ("ibot", *_OTHERS)


def expected_hidden(config: PretrainConfig) -> float:
    """Average number of patches that block masks hide in a batch; an upper bound, as a block may not fit."""
    share = sum(config.masks.ratios) / len(config.masks.ratios)
    return share * _num_views(config) * num_positions(config, config.crops.global_size)


def num_positions(config: PretrainConfig, size: int) -> int:
    """N, the number of positions in the last map of a crop of `size` x `size` pixels."""
    return (size // config.backbone.stride) ** 2


def _num_views(config: PretrainConfig) -> int:
    """V B, the number of global views in a batch."""
    return config.crops.num_global * config.schedule.batch_size


def _forward(config: PretrainConfig, size: int) -> float:
    """Multiplications of base and auxiliary head for one crop, forward."""
    return backbone_multiplications(config.backbone, size) + _head(config, size)


def _head(config: PretrainConfig, size: int) -> float:
    head = config.auxiliary_head
    return 0.0 if head is None else head_multiplications(head, config.backbone, size)


def _both_passes(config: PretrainConfig, size: int) -> float:
    """Multiplications of base and auxiliary head for one crop, forward and backward."""
    return 3 * _forward(config, size) - embedding_multiplications(config.backbone, size)


def _unneeded(config: PretrainConfig, num_hidden: float) -> float:
    """Multiplications of two layers for positions that no loss reads.

    The last layer of a ConvNeXt head, linear before a mean, maps the mean of its inputs; that of MAE returns
    maps. Without a head, a ViT's last block computes only the tokens that are projected, behind its
    attention; a batch norm in the projection sees all of them. A teacher of patches projects all of them.
    """
    if config.method.name == "mae":
        return 0.0
    crops, dim, head = config.crops, config.backbone.dim, config.auxiliary_head
    views, images = _num_views(config), config.schedule.batch_size
    has_teacher = config.method.name != "simclr"
    patches = config.method.prototypes and config.objective.patch_weight > 0
    student = [(views, crops.global_size, num_hidden)]
    if config.method.prototypes:
        student.append((crops.num_local * images, crops.local_size, 0))
    total = 0.0
    if head is not None:
        if head.kind != "convnext":
            return 0.0
        passes = [(3 * num, size) for num, size, _ in student] + has_teacher * [(views, crops.global_size)]
        return sum(num * (num_positions(config, size) - 1) * 4 * dim**2 for num, size in passes)
    if config.backbone.kind != "vit" or (config.method.prototypes and config.projection_head.norm == "batch"):
        return 0.0
    of_token = (1 + 2 * config.backbone.mlp_ratio) * dim**2
    registers = config.backbone.register_tokens or 0
    for num, size, chosen in student:
        total += 3 * (num * (num_positions(config, size) + registers) - chosen) * of_token
    if has_teacher and not patches:
        total += views * (num_positions(config, crops.global_size) + registers) * of_token
    return total


def _ibot(config: PretrainConfig, num_hidden: float) -> float:
    """Multiplications of a step of iBOT, or of DINO, which is iBOT without patch loss.

    The student projects the CLS vectors of all crops and the hidden patches. The teacher projects the CLS
    vectors of the global crops and the hidden patches, and all its patches up to the bottleneck, for their
    mean. With batch norm in the projection head, all patches of a pass are projected together.
    """
    crops, head, dim = config.crops, config.projection_head, config.backbone.dim
    to_bottleneck = dense_multiplications(
        [dim, *[head.hidden_dim] * (head.num_layers - 1), head.bottleneck_dim]
    )
    to_prototypes = head.bottleneck_dim * head.num_prototypes
    to_patch_prototypes = head.bottleneck_dim * head.patch_dim
    together, patches = head.norm == "batch", config.objective.patch_weight > 0
    cls_vectors = 2 if config.auxiliary_head else 1

    def all_patches(size: int) -> float:
        return num_positions(config, size) * to_bottleneck

    views = _num_views(config)
    student = 0.0
    for num, size in ((crops.num_global, crops.global_size), (crops.num_local, crops.local_size)):
        projected = cls_vectors * (to_bottleneck + to_prototypes) + (all_patches(size) if together else 0)
        student += num * config.schedule.batch_size * (_both_passes(config, size) + 3 * projected)
    teacher = views * (_forward(config, crops.global_size) + to_bottleneck + to_prototypes)
    if together and not config.auxiliary_head:
        teacher += views * all_patches(crops.global_size)
    if patches:
        student += 3 * num_hidden * (to_patch_prototypes + (0 if together else to_bottleneck))
        teacher += (num_hidden + 1) * to_patch_prototypes
        if not together or config.auxiliary_head:
            teacher += views * all_patches(crops.global_size)
        if together and config.auxiliary_head:
            teacher += views * to_bottleneck  # the base's CLS vectors, which are in the same batch
    return student + teacher


def _joint(config: PretrainConfig) -> float:
    """Multiplications of a step of MoCo v3, BYOL or SimCLR.

    Besides base and head: the projectors, the predictors if there is a teacher, and the similarities.
    """
    method, size, views = config.method, config.crops.global_size, _num_views(config)
    heads = 2 if config.auxiliary_head else 1
    hidden = [method.hidden_dim] * (method.projector_layers - 1)
    projector = dense_multiplications([config.backbone.dim, *hidden, method.out_dim])
    if method.name == "simclr":
        # The base is compared with the head's vectors, which carry no gradient there; all else with itself.
        with_gradients = 3 if heads == 1 else 2 + 3
        contrast = with_gradients * views**2 * method.out_dim
        return views * (_both_passes(config, size) + 3 * heads * projector) + contrast
    hidden = [method.hidden_dim] * (method.predictor_layers - 1)
    predictor = dense_multiplications([method.out_dim, *hidden, method.out_dim])
    student = views * (_both_passes(config, size) + 3 * heads * (projector + predictor))
    teacher = views * (_forward(config, size) + projector)
    if method.name == "byol":
        return student + teacher
    others = config.crops.num_global - 1  # views whose keys a view's queries are compared with
    contrast = 2 * heads * views * others * config.schedule.batch_size * method.out_dim
    return student + teacher + contrast


def _mae(config: PretrainConfig) -> float:
    """Multiplications of a step of MAE.

    The base encodes the visible patches and the decoder decodes all of them; the auxiliary head reads whole
    maps and its teacher whole crops. A base other than a ViT cannot leave positions out and encodes all.
    """
    method, backbone, size = config.method, config.backbone, config.crops.global_size
    dim, width, positions = backbone.dim, method.decoder_dim, num_positions(config, size)
    hidden = int(method.mask_ratio * positions)
    embedding = embedding_multiplications(backbone, size)
    num_pixels = input_channels(backbone) * backbone.stride**2
    base, tokens = backbone_multiplications(backbone, size), positions + 1
    if backbone.kind == "vit":
        tokens -= hidden
        base = embedding + blocks_multiplications(
            tokens + (backbone.register_tokens or 0), dim, depth=backbone.depth, mlp_ratio=backbone.mlp_ratio
        )
    decoder = tokens * dim * width + hidden * width * num_pixels
    decoder += blocks_multiplications(positions + 1, width, depth=method.decoder_depth, mlp_ratio=4.0)
    student, teacher = 3 * (base + decoder) - embedding, 0.0
    if config.auxiliary_head:
        student += 3 * (_head(config, size) + hidden * (width * dim + dim * num_pixels))
        teacher = _forward(config, size)
    return _num_views(config) * (student + teacher)


_OTHERS = {"mocov3": _joint, "byol": _joint, "simclr": _joint, "mae": _mae}
