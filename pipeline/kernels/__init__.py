"""Operators of the pretraining step: compiled kernels for CPU and GPU, each with a plain Jittor twin.

Jittor must have been started (`pipeline.runtime.start_jittor`) before this package is imported.
"""

from pipeline.kernels.biased_conv import biased_conv
from pipeline.kernels.channel_sums import (
    Sharing,
    add_to_channels,
    batch_norm,
    scale_channels,
    sum_of_all,
    with_token,
)
from pipeline.kernels.class_products import class_products
from pipeline.kernels.conv_norm import Norm, conv_known_norm_relu, conv_norm_relu
from pipeline.kernels.convolution import convolution
from pipeline.kernels.cross_entropy import soft_cross_entropy, teacher_probabilities
from pipeline.kernels.dense import linear, linear_gelu, mlp
from pipeline.kernels.depthwise import depthwise_conv
from pipeline.kernels.halving import max_halved
from pipeline.kernels.image_patches import image_patches
from pipeline.kernels.mean_positions import mean_positions
from pipeline.kernels.normalization import l2_normalize, layer_norm
from pipeline.kernels.normed import normed_linear, normed_mlp
from pipeline.kernels.normed_mean import normed_mlp_mean
from pipeline.kernels.pixel_cross_entropy import pixel_cross_entropy
from pipeline.kernels.pooling import pool_cells
from pipeline.kernels.precision import current_precision, use_precision
from pipeline.kernels.prototype_loss import prototype_cross_entropy
from pipeline.kernels.relu_layers import relu_layers
from pipeline.kernels.resample import resample, stack_resampled
from pipeline.kernels.rows import gather_rows, rows_after
from pipeline.kernels.selection import current, note, on_device, use
from pipeline.kernels.self_attention import attention
from pipeline.kernels.tokens import tokens
from pipeline.kernels.top_down import top_down
from pipeline.kernels.transformer_block import BlockWeights, transformer_block, transformer_block_rows

__all__ = [
    "BlockWeights",
    "Norm",
    "Sharing",
    "add_to_channels",
    "attention",
    "batch_norm",
    "biased_conv",
    "class_products",
    "conv_known_norm_relu",
    "conv_norm_relu",
    "convolution",
    "current",
    "current_precision",
    "depthwise_conv",
    "gather_rows",
    "image_patches",
    "l2_normalize",
    "layer_norm",
    "linear",
    "linear_gelu",
    "max_halved",
    "mean_positions",
    "mlp",
    "normed_linear",
    "normed_mlp",
    "normed_mlp_mean",
    "note",
    "on_device",
    "pixel_cross_entropy",
    "pool_cells",
    "prototype_cross_entropy",
    "relu_layers",
    "resample",
    "rows_after",
    "scale_channels",
    "soft_cross_entropy",
    "stack_resampled",
    "sum_of_all",
    "teacher_probabilities",
    "tokens",
    "top_down",
    "transformer_block",
    "transformer_block_rows",
    "use",
    "use_precision",
    "with_token",
]
