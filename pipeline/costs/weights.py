"""Number of weights of networks, from the configuration alone: of matrices, without biases and norms."""

from pipeline.config.backbone import BackboneConfig
from pipeline.config.stages import PretrainConfig
from pipeline.costs.multiplications import dense_multiplications
from pipeline.models.input_channels import input_channels


def backbone_weights(config: BackboneConfig) -> int:
    """Numbers in a base's matrices and kernels; slightly fewer than all its parameters."""
    channels, dim = input_channels(config), config.embed_dim
    if config.kind == "resnet":
        return (9 if config.patch_size == 1 else 49) * channels * dim + _resnet_blocks(config)
    embedding = channels * config.patch_size**2 * dim
    if config.kind == "vit":
        return embedding + config.depth * _transformer_block(config, dim)
    merging = sum(2 * dim**2 for dim in config.stage_dims[1:])
    blocks = sum(
        depth * _BLOCKS[config.kind](config, dim)
        for depth, dim in zip(config.depths, config.stage_dims, strict=True)
    )
    return embedding + merging + blocks


def projection_weights(config: PretrainConfig) -> int:
    """Numbers in the matrices of the projection head; 0 for a method without one."""
    if not config.method.prototypes:
        return 0
    head = config.projection_head
    hidden = [head.hidden_dim] * (head.num_layers - 1)
    widths = [config.backbone.dim, *hidden, head.bottleneck_dim, head.num_prototypes]
    return int(dense_multiplications(widths))


def _transformer_block(config: BackboneConfig, dim: int) -> int:
    return int((4 + 2 * config.mlp_ratio) * dim**2)


def _convnext_block(config: BackboneConfig, dim: int) -> int:
    return int(config.kernel_size**2 * dim + 2 * config.mlp_ratio * dim**2)


def _resnet_blocks(config: BackboneConfig) -> int:
    total, before = 0, config.embed_dim
    for depth, dim in zip(config.depths, config.stage_dims, strict=True):
        inner = dim // 4
        later = 2 * dim * inner + 9 * inner**2 if config.bottleneck else 18 * dim**2
        first = 9 * (before * dim + dim**2)
        if config.bottleneck:
            first = before * inner + 9 * inner**2 + inner * dim
        shortcut = before * dim if before != dim else 0
        total += first + shortcut + (depth - 1) * later
        before = dim
    return total


_BLOCKS = {"swin": _transformer_block, "convnext": _convnext_block}
