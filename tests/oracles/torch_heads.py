"""Auxiliary heads in PyTorch float64, written directly from the papers' definitions.

Channels come first, norms and pooling are PyTorch's own, windows are a table of which patch attends to which.
Parameters are a dict with the project's names.
"""

import math

import torch
import torch.nn.functional as F

from tests.oracles.torch_hssl import attention, layer_norm, linear, mlp


def head(p, config, x, *, grid, num_heads, drop_path_scales=None):
    """Map (B, D, h, w) -> CLS (B, D). `grid`: of global crops; `drop_path_scales`: (depth, B) or None."""
    for index in range(config.depth):
        scale = 1.0 if drop_path_scales is None else drop_path_scales[index][:, None, None, None]
        shortcut = index > 0 or config.first_shortcut
        context = {"config": config, "grid": grid, "num_heads": config.num_heads or num_heads, "index": index}
        x = BLOCKS[config.kind](p, f"blocks.{index}", x, scale if shortcut else None, **context)
    return layer_norm(p, "norm", x.mean(dim=(2, 3)), 1e-6)


def add(x, branch, scale):
    """The branch alone if `scale` is None."""
    return branch if scale is None else x + scale * branch


def last(x):
    return x.permute(0, 2, 3, 1)


def first(x):
    return x.permute(0, 3, 1, 2)


def group_norm(p, name, x, groups):
    return F.group_norm(x, groups, p[f"{name}.weight"], p.get(f"{name}.bias"), 1e-5)


def groups(channels):
    """16 channels each, fewer if 16 does not divide."""
    return channels // math.gcd(16, channels)


def depthwise(x, weight, bias=None):
    """weight (k, k, D)."""
    return F.conv2d(
        x, weight.permute(2, 0, 1)[:, None], bias, padding=weight.shape[0] // 2, groups=x.shape[1]
    )


def convnext(p, name, x, scale, **_):
    y = depthwise(x, p[f"{name}.conv.weight"], p[f"{name}.conv.bias"])
    return add(x, first(mlp(p, f"{name}.mlp", layer_norm(p, f"{name}.norm", last(y), 1e-5))), scale)


def resnet(p, name, x, scale, **_):
    y = F.conv2d(x, p[f"{name}.reduce.weight"])
    y = F.relu(group_norm(p, f"{name}.norm_reduce", y, groups(y.shape[1])))
    weight = p[f"{name}.conv.weight"]
    y = F.conv2d(y, weight, padding=weight.shape[-1] // 2)
    y = F.relu(group_norm(p, f"{name}.norm_conv", y, groups(y.shape[1])))
    y = group_norm(p, f"{name}.norm_expand", F.conv2d(y, p[f"{name}.expand.weight"]), groups(x.shape[1]))
    return F.relu(add(x, y, scale))


def separable(p, name, x, scale, **_):
    y = depthwise(x, p[f"{name}.depthwise"])
    y = F.relu(group_norm(p, f"{name}.norm_depthwise", y, groups(x.shape[1])))
    y = F.conv2d(y, p[f"{name}.pointwise"][:, :, None, None])
    return F.relu(add(x, group_norm(p, f"{name}.norm_pointwise", y, groups(x.shape[1])), scale))


def layer_norm_first(p, name, x, eps):
    return first(layer_norm(p, name, last(x), eps))


def mlp_branch(p, name, x, scale, normed):
    return add(x, first(mlp(p, f"{name}.mlp", last(normed(p, f"{name}.norm_mlp", x)))), scale)


def vit(p, name, x, scale, *, num_heads, **_):
    def normed(p, name, x):
        return layer_norm_first(p, name, x, 1e-6)

    tokens = normed(p, f"{name}.norm_mixing", x).flatten(2).transpose(1, 2)
    y = attention(p, f"{name}.mixing", tokens, num_heads).transpose(1, 2).reshape(x.shape)
    return mlp_branch(p, name, add(x, y, scale), scale, normed)


def visible(height, width, size, shift):
    """(N, N) bool: do query and key lie in one window of the grid that starts at `shift`?"""
    side = min(size, height), min(size, width)
    moved = [0 if s >= length else shift for s, length in zip(side, (height, width), strict=True)]
    cell = [
        ((y - moved[0]) // side[0], (x - moved[1]) // side[1]) for y in range(height) for x in range(width)
    ]
    return torch.tensor([[one == other for other in cell] for one in cell])


def swin(p, name, x, scale, *, config, grid, num_heads, index):
    def normed(p, name, x):
        return layer_norm_first(p, name, x, 1e-5)

    batch, dim, height, width = x.shape
    size = min(config.window_size, max(grid))
    tokens = linear(p, f"{name}.mixing.qkv", normed(p, f"{name}.norm_mixing", x).flatten(2).transpose(1, 2))
    q, k, v = tokens.reshape(batch, height * width, 3, num_heads, dim // num_heads).permute(2, 0, 3, 1, 4)
    table = p[f"{name}.mixing.relative_position_bias"].reshape(2 * size - 1, 2 * size - 1, num_heads)
    allowed = visible(height, width, size, size // 2 if index % 2 else 0)
    bias = torch.full((num_heads, height * width, height * width), -math.inf, dtype=x.dtype)
    rows = []
    for query in range(height * width):
        for key in range(height * width):
            if allowed[query, key]:
                dy = query // width - key // width + size - 1
                dx = query % width - key % width + size - 1
                rows.append((query, key, table[dy, dx]))
    index_of = torch.tensor([(query, key) for query, key, _ in rows]).T
    bias = bias.index_put(
        (torch.arange(num_heads)[:, None], index_of[0][None], index_of[1][None]),
        torch.stack([value for _, _, value in rows], dim=1),
    )
    weights = torch.softmax(q @ k.transpose(-1, -2) / (dim // num_heads) ** 0.5 + bias, dim=-1)
    y = linear(p, f"{name}.mixing.out", (weights @ v).transpose(1, 2).reshape(batch, height * width, dim))
    return mlp_branch(p, name, add(x, y.transpose(1, 2).reshape(x.shape), scale), scale, normed)


def on_grid(x, grid, function):
    """function on (B, D, N) of `grid`, with a bicubic resize there and back."""
    resized = F.interpolate(x, size=grid, mode="bicubic", align_corners=False)
    y = function(resized.flatten(2)).unflatten(2, grid)
    return F.interpolate(y, size=x.shape[2:], mode="bicubic", align_corners=False)


def mixer(p, name, x, scale, *, grid, **_):
    def normed(p, name, x):
        return layer_norm_first(p, name, x, 1e-6)

    def across_patches(rows):
        return F.gelu(linear(p, f"{name}.mixing.layer.expand", rows)) @ p[f"{name}.mixing.layer.contract"].T

    y = on_grid(normed(p, f"{name}.norm_mixing", x), grid, across_patches)
    return mlp_branch(p, name, add(x, y, scale), scale, normed)


def resmlp(p, name, x, scale, *, grid, **_):
    def affine(p, name, x):
        return x * p[f"{name}.weight"][:, None, None] + p[f"{name}.bias"][:, None, None]

    y = on_grid(
        affine(p, f"{name}.norm_mixing", x), grid, lambda rows: linear(p, f"{name}.mixing.layer", rows)
    )
    return mlp_branch(p, name, add(x, y, scale), scale, affine)


def poolformer(p, name, x, scale, *, config, **_):
    def normed(p, name, x):
        return group_norm(p, name, x, 1)

    side, even = config.kernel_size, normed(p, f"{name}.norm_mixing", x)
    y = F.avg_pool2d(even, side, stride=1, padding=side // 2, count_include_pad=False)
    return mlp_branch(p, name, add(x, y if scale is None else y - even, scale), scale, normed)


BLOCKS = {
    "convnext": convnext,
    "mixer": mixer,
    "poolformer": poolformer,
    "resmlp": resmlp,
    "resnet": resnet,
    "separable": separable,
    "swin": swin,
    "vit": vit,
}
