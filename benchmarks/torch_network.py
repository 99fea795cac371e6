"""HSSL's network in PyTorch, optimised for the CPU: fused attention, channels last, only needed logits.

Weights are a dict with the project's names and shapes, except that convolution weights are (D, 1, k, k).
"""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from pipeline.config.backbone import BackboneConfig
from pipeline.config.stages import PretrainConfig

Weights = dict[str, torch.Tensor]


def torch_weights(
    arrays: dict[str, np.ndarray], *, trained: bool, device: torch.device | str = "cpu"
) -> Weights:
    """The project's arrays as tensors, which require gradients if `trained`."""
    weights = {}
    for name, array in arrays.items():
        tensor = torch.tensor(array, device=device)
        if name.endswith("conv.weight"):
            tensor = tensor.permute(2, 0, 1).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        weights[name] = tensor.requires_grad_(trained)
    return weights


def named_arrays(weights: Weights) -> Iterator[tuple[str, np.ndarray]]:
    """Inverse of `torch_weights`: yields the project's names and arrays."""
    for name, tensor in weights.items():
        value = tensor.detach().cpu()
        yield name, (value[:, 0].permute(1, 2, 0) if name.endswith("conv.weight") else value).numpy()


def encode(
    weights: Weights,
    config: PretrainConfig,
    images: torch.Tensor,
    mask: torch.Tensor | None = None,
    paths: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """images (C, 3, S, S) -> base tokens after the norm (C, 1 + N, D), CLS of the head (C, D).

    Args:
        mask: (C, N, 1) bool, True = hidden.
        paths: scales of stochastic depth, (depth, 2, C, 1, 1) and (head's depth, C, 1, 1, 1).
    """
    x = embed(weights, config.backbone, images, mask)
    crops, grid = len(images), images.shape[-1] // config.backbone.patch_size
    for index in range(config.backbone.depth):
        x = block(weights, index, x, config.backbone.num_heads, paths[0][index] if paths else None)
    y = x[:, 1:].reshape(crops, grid, grid, -1)
    last = config.auxiliary_head.depth - 1
    for index in range(last + 1):
        scale = paths[1][index] if paths else None
        y = _head_block(weights, index, y, scale, config.auxiliary_head.shortcuts[index], pools=index == last)
    pooled = norm(weights, "auxiliary_head.norm", y, 1e-6)
    return norm(weights, "backbone.norm", x, 1e-6), pooled


def embed(
    weights: Weights, backbone: BackboneConfig, images: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """images (C, 3, S, S) -> tokens (C, 1 + N, D), CLS first, with position embeddings resampled to S."""
    crops, channels, side, _ = images.shape
    patch, grid = backbone.patch_size, side // backbone.patch_size
    pixels = images.view(crops, channels, grid, patch, grid, patch).permute(0, 2, 4, 1, 3, 5)
    x = linear(weights, "backbone.patch_embed", pixels.reshape(crops, grid * grid, -1))
    if mask is not None:
        x = torch.where(mask, weights["backbone.mask_token"], x)
    positions, old = weights["backbone.pos_embed"], backbone.image_size // patch
    if old != grid:
        square = positions[1:].T.reshape(1, -1, old, old)
        square = F.interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
        positions = torch.cat([positions[:1], square.flatten(2)[0].T])
    return torch.cat([weights["backbone.cls_token"].expand(crops, 1, -1), x], dim=1) + positions


def project(weights: Weights, config: PretrainConfig, part: str, rows: torch.Tensor) -> torch.Tensor:
    """Rows (M, D) -> unit vectors (M, bottleneck), by the MLP of part "base" or "auxiliary"."""
    for index in range(config.projection_head.num_layers - 1):
        rows = F.gelu(linear(weights, f"projection_head.{part}.hidden.{index}", rows))
    return F.normalize(linear(weights, f"projection_head.{part}.bottleneck", rows), dim=-1)


def prototypes(weights: Weights) -> torch.Tensor:
    """(K, bottleneck), rows of length 1."""
    return F.normalize(weights["projection_head.prototypes"], dim=-1)


def block(
    weights: Weights, index: int, x: torch.Tensor, num_heads: int, scales: torch.Tensor | None
) -> torch.Tensor:
    name = f"backbone.blocks.{index}"
    crops, tokens, width = x.shape
    normed = norm(weights, f"{name}.norm_attention", x, 1e-6)
    qkv = linear(weights, f"{name}.attention.qkv", normed)
    query, key, value = qkv.view(crops, tokens, 3, num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(crops, tokens, width)
    attended = linear(weights, f"{name}.attention.out", mixed)
    x = x + attended if scales is None else torch.addcmul(x, attended, scales[0])
    branch = _mlp(weights, f"{name}.mlp", norm(weights, f"{name}.norm_mlp", x, 1e-6))
    return x + branch if scales is None else torch.addcmul(x, branch, scales[1])


def _head_block(
    weights: Weights, index: int, y: torch.Tensor, scale: torch.Tensor | None, shortcut: bool, *, pools: bool
) -> torch.Tensor:
    """One block, or the mean over positions of the last one, whose second layer is linear and maps means.

    y: (C, h, w, D); permuted to (C, D, h, w) it has PyTorch's channels-last memory format.
    """
    name = f"auxiliary_head.blocks.{index}"
    kernel = weights[f"{name}.conv.weight"]
    conv = F.conv2d(
        y.permute(0, 3, 1, 2),
        kernel,
        weights[f"{name}.conv.bias"],
        padding=kernel.shape[-1] // 2,
        groups=y.shape[-1],
    )
    normed = norm(weights, f"{name}.norm", conv.permute(0, 2, 3, 1), 1e-5)
    hidden = F.gelu(linear(weights, f"{name}.mlp.expand", normed))
    if pools:
        hidden, y = hidden.mean(dim=(1, 2)), y.mean(dim=(1, 2))
        scale = None if scale is None else scale[:, 0, 0]
    branch = linear(weights, f"{name}.mlp.contract", hidden)
    if not shortcut:
        return branch
    return y + branch if scale is None else torch.addcmul(y, branch, scale)


def _mlp(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return linear(weights, f"{name}.contract", F.gelu(linear(weights, f"{name}.expand", x)))


def linear(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def norm(weights: Weights, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps)
