"""Hierarchical bases in PyTorch float64, written directly from the papers' definitions.

Channels come first between blocks, convolutions, norms and pooling are PyTorch's own, windows are a table of
which positions attend to which. Parameters are a dict with the project's names.
"""

import torch
import torch.nn.functional as F

from tests.oracles.torch_heads import depthwise, first, groups, last, layer_norm_first, visible
from tests.oracles.torch_hssl import layer_norm, linear, mlp


def base(p, config, images, mask=None, drop_path_scales=None):
    """images (B, 3, H, W), mask (B, h, w) -> maps after every block, global vector, patches (B, N, D)."""
    stem, block, final = KINDS[config.kind]
    x = stem(p, config, images, mask)
    maps, index = [], 0
    for stage, depth in enumerate(config.depths):
        for place in range(depth):
            scales = None if drop_path_scales is None else drop_path_scales[index][:, :, None, None, None]
            x = block(p, config, f"blocks.{index}", x, scales, stage=stage, place=place)
            maps.append(x)
            index += 1
    vector, patches = final(p, x)
    return maps, vector, patches.flatten(2).transpose(1, 2)


def hidden(mask, x):
    """mask (B, h, w) at the size of x (B, C, H, W)."""
    return F.interpolate(mask[:, None].double(), size=x.shape[2:], mode="nearest") > 0.5


def convolution_of_windows(p, name, x, side, bias=True):
    """A linear layer over side x side windows as the convolution that it is."""
    weight = p[f"{name}.weight"]
    filters = weight.reshape(weight.shape[0], side, side, x.shape[1]).permute(0, 3, 1, 2)
    return F.conv2d(x, filters, p[f"{name}.bias"] if bias else None, stride=side)


def patch_stem(p, config, images, mask, eps):
    x = convolution_of_windows(p, "stem.patch_embed", images, config.patch_size)
    x = layer_norm_first(p, "stem.norm", x, eps)
    return x if mask is None else torch.where(hidden(mask, x), p["mask_token"].reshape(1, -1, 1, 1), x)


def scaled(branch, scales, index):
    return branch if scales is None else branch * scales[index]


def convnext_stem(p, config, images, mask):
    return patch_stem(p, config, images, mask, 1e-6)


def convnext_block(p, config, name, x, scales, *, stage, place):
    if stage and not place:
        x = layer_norm_first(p, f"{name}.entrance.norm", x, 1e-6)
        x = convolution_of_windows(p, f"{name}.entrance.reduce", x, 2)
    y = depthwise(x, p[f"{name}.conv.weight"], p[f"{name}.conv.bias"])
    y = mlp(p, f"{name}.mlp", layer_norm(p, f"{name}.norm", last(y), 1e-6))
    return x + scaled(first(y * p[f"{name}.layer_scale"]), scales, 0)


def convnext_final(p, x):
    return layer_norm(p, "norm", x.mean(dim=(2, 3)), 1e-6), layer_norm_first(p, "norm", x, 1e-6)


def swin_stem(p, config, images, mask):
    return patch_stem(p, config, images, mask, 1e-5)


def swin_block(p, config, name, x, scales, *, stage, place):
    if stage and not place:
        windows = F.pixel_unshuffle(x, 2)  # channels: C, row, column
        windows = windows.unflatten(1, (x.shape[1], 4)).transpose(1, 2).flatten(1, 2)
        windows = layer_norm_first(p, f"{name}.entrance.norm", windows, 1e-5)
        x = first(last(windows) @ p[f"{name}.entrance.weight"].T)
    size = min(config.window_size, config.image_size // config.stage_strides[stage])
    shift = size // 2 if place % 2 else 0
    y = layer_norm_first(p, f"{name}.norm_attention", x, 1e-5)
    y = window_attention(p, f"{name}.attention", y, size, shift, config.num_heads * 2**stage)
    x = x + scaled(y, scales, 0)
    y = mlp(p, f"{name}.mlp", last(layer_norm_first(p, f"{name}.norm_mlp", x, 1e-5)))
    return x + scaled(first(y), scales, 1)


def window_attention(p, name, x, size, shift, num_heads):
    """Attention over all positions, with everything outside of a position's window masked."""
    batch, dim, height, width = x.shape
    num = height * width
    tokens = linear(p, f"{name}.qkv", x.flatten(2).transpose(1, 2))
    q, k, v = tokens.reshape(batch, num, 3, num_heads, dim // num_heads).permute(2, 0, 3, 1, 4)
    row, column = torch.arange(num) // width, torch.arange(num) % width
    dy, dx = row[:, None] - row + size - 1, column[:, None] - column + size - 1
    allowed = visible(height, width, size, shift)
    index = torch.where(allowed, dy * (2 * size - 1) + dx, 0)
    bias = p[f"{name}.relative_position_bias"][index].permute(2, 0, 1).masked_fill(~allowed, -torch.inf)
    weights = torch.softmax(q @ k.transpose(-1, -2) / (dim // num_heads) ** 0.5 + bias, dim=-1)
    y = linear(p, f"{name}.out", (weights @ v).transpose(1, 2).reshape(batch, num, dim))
    return y.transpose(1, 2).reshape(x.shape)


def swin_final(p, x):
    x = layer_norm_first(p, "norm", x, 1e-5)
    return x.mean(dim=(2, 3)), x


def group_norm(p, name, x):
    return F.group_norm(x, groups(x.shape[1]), p[f"{name}.weight"], p[f"{name}.bias"], 1e-5)


def convolution(p, name, x, stride=1):
    filters = p[f"{name}.filters"]
    return F.conv2d(x, filters, stride=stride, padding=filters.shape[-1] // 2)


def resnet_stem(p, config, images, mask):
    if mask is not None:
        images = torch.where(hidden(mask, images), p["mask_token"].reshape(1, 3, 1, 1), images)
    x = convolution(p, "stem", images, stride=1 if config.patch_size == 1 else 2)
    x = F.relu(group_norm(p, "norm_stem", x))
    return F.max_pool2d(x, 3, stride=2, padding=1) if config.patch_size == 4 else x


def resnet_block(p, config, name, x, scales, *, stage, place):
    stride = 2 if stage and not place else 1
    strides = (1, stride, 1) if config.bottleneck else (stride, 1)
    y = x
    for index, of_conv in enumerate(strides):
        y = F.relu(y) if index else y
        y = group_norm(p, f"{name}.norms.{index}", convolution(p, f"{name}.convs.{index}", y, of_conv))
    if f"{name}.shortcut.filters" in p:
        x = group_norm(p, f"{name}.norm_shortcut", convolution(p, f"{name}.shortcut", x, stride))
    return F.relu(x + scaled(y, scales, 0))


def resnet_final(p, x):
    return x.mean(dim=(2, 3)), x


KINDS = {
    "convnext": (convnext_stem, convnext_block, convnext_final),
    "resnet": (resnet_stem, resnet_block, resnet_final),
    "swin": (swin_stem, swin_block, swin_final),
}
