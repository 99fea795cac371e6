"""A fine-tuned classifier or segmenter of hssl-pipeline in PyTorch; reads model.safetensors and config.json.

    network = Network("FOLDER")
    logits = network(images)

Images are (B, 3, H, W) float32, pixels in [0, 1] minus network.mean, divided by network.std. Logits are
(B, K) of a classifier, (B, K, H, W) of a segmenter. This file needs PyTorch and safetensors alone
and may be copied; parameters are a dictionary with the names of model.safetensors.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

_POOL_SIZES = (1, 2, 3, 6)


class Network:
    """The network in a folder, in evaluation mode."""

    def __init__(self, folder, device="cpu"):
        self.config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        self.p = load_file(Path(folder) / "model.safetensors", device=device)
        self.class_names = self.config["class_names"]
        self.mean, self.std = (
            torch.tensor(self.config[name], device=device).reshape(1, 3, 1, 1) for name in ("mean", "std")
        )

    @torch.inference_mode()
    def __call__(self, images):
        """images (B, 3, H, W), normalised -> logits."""
        return {"classify": self._classes, "segment": self._pixels}[self.config["task"]](images)

    def _classes(self, images):
        blocks, vector, _ = _base(_part(self.p, "backbone.network"), self.config["architecture"], images)
        if self.config["settings"]["pooling"] == "patches":
            vector = _layer_norm(self.p, "pool_norm", _as_tokens(blocks[-1]).mean(1), 1e-6)
        return _linear(self.p, "predict_classes", vector)

    def _pixels(self, images):
        height, width = images.shape[2:]
        multiple = self.config["multiple"]
        padded = F.pad(images, (0, -width % multiple, 0, -height % multiple))
        taps = _taps(_part(self.p, "backbone.network"), self.config, padded)
        head = _part(self.p, "head")
        if self.config["settings"]["head"] == "linear":
            logits = _conv(head, "predict", _stacked(taps))
        else:
            logits = _uper(head, _pyramid(_part(self.p, "pyramid"), taps))
        return _resized(logits, padded.shape[2:])[:, :, :height, :width]


def _part(p, prefix):
    return {name[len(prefix) + 1 :]: value for name, value in p.items() if name.startswith(f"{prefix}.")}


def _linear(p, name, x):
    return F.linear(x, p[f"{name}.weight"], p.get(f"{name}.bias"))


def _layer_norm(p, name, x, eps):
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"], eps)


def _first(p, name, x, eps):
    """A layer norm of channels that come first: (B, C, h, w)."""
    return _layer_norm(p, name, x.permute(0, 2, 3, 1), eps).permute(0, 3, 1, 2)


def _mlp(p, name, x):
    return _linear(p, f"{name}.contract", F.gelu(_linear(p, f"{name}.expand", x)))


def _as_tokens(x):
    """(B, C, h, w) -> (B, h w, C)."""
    return x.flatten(2).transpose(1, 2)


def _conv(p, name, x, **given):
    weight = p[f"{name}.weight"]
    return F.conv2d(x, weight, p.get(f"{name}.bias"), padding=weight.shape[-1] // 2, **given)


def _base(p, config, images):
    """Maps (B, C, h, w) after every block, before the final norm; global vector (B, D); normed last map."""
    return {"vit": _vit, "swin": _swin, "convnext": _convnext, "resnet": _resnet}[config["kind"]](
        p, config, images
    )


def _taps(p, config, images):
    architecture, normed = config["architecture"], config["settings"]["heads"]["tap_norm"]
    blocks, _, _ = _base(p, architecture, images)
    eps = {"swin": 1e-5, "vit": 1e-6, "convnext": 1e-6}.get(architecture["kind"])
    if architecture["kind"] == "vit":
        depth = architecture["depth"]
        chosen = [max(depth // 3 - 1, 0), max(depth // 2 - 1, 0), max(2 * depth // 3 - 1, 0), depth - 1]
        return [_first(p, "norm", blocks[index], eps) if normed else blocks[index] for index in chosen]
    ends = torch.tensor(architecture["depths"]).cumsum(0) - 1
    taps = [blocks[end] for end in ends.tolist()]
    if not normed or eps is None:
        return taps
    plain = [F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2], eps=eps) for x in taps[:-1]]
    return [*(x.permute(0, 3, 1, 2) for x in plain), _first(p, "norm", taps[-1], eps)]


def _vit(p, config, images):
    dim, side, heads = config["embed_dim"], config["patch_size"], config["num_heads"]
    weight = p["patch_embed.weight"].reshape(dim, 3, side, side)
    x = F.conv2d(images, weight, p["patch_embed.bias"], stride=side)
    grid, old = x.shape[2:], config["image_size"] // side
    positions = p["pos_embed"]
    if tuple(grid) != (old, old):
        square = positions[1:].reshape(1, old, old, dim).permute(0, 3, 1, 2)
        square = F.interpolate(square, size=tuple(grid), mode="bicubic", align_corners=False)
        positions = torch.cat([positions[:1], _as_tokens(square)[0]])
    x = torch.cat([p["cls_token"].expand(len(x), 1, dim), _as_tokens(x)], 1) + positions
    registers = config.get("register_tokens") or 0
    if registers:
        x = torch.cat([x[:, :1], p["register_tokens"].expand(len(x), registers, dim), x[:, 1:]], 1)
    maps = []
    for index in range(config["depth"]):
        name = f"blocks.{index}"
        y = _layer_norm(p, f"{name}.norm_attention", x, 1e-6)
        q, k, v = _heads(_linear(p, f"{name}.attention.qkv", y), heads)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + _linear(p, f"{name}.attention.out", y)
        x = x + _mlp(p, f"{name}.mlp", _layer_norm(p, f"{name}.norm_mlp", x, 1e-6))
        maps.append(x[:, 1 + registers :].transpose(1, 2).unflatten(2, tuple(grid)))
    return maps, _layer_norm(p, "norm", x[:, 0], 1e-6), _first(p, "norm", maps[-1], 1e-6)


def _heads(qkv, heads):
    """(B, N, 3 D) -> three of (B, heads, N, d)."""
    return qkv.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)


def _patch_stem(p, config, images, eps):
    return _first(p, "stem.norm", _windows(p, "stem.patch_embed", images, config["patch_size"]), eps)


def _windows(p, name, x, side):
    """A linear map of side x side windows (row, column, channel) as a convolution."""
    weight = p[f"{name}.weight"]
    filters = weight.reshape(len(weight), side, side, -1).permute(0, 3, 1, 2)
    return F.conv2d(x, filters, p.get(f"{name}.bias"), stride=side)


def _staged(config, x, block):
    maps = []
    for stage, depth in enumerate(config["depths"]):
        for index in range(depth):
            x = block(f"blocks.{len(maps)}", x, stage, index)
            maps.append(x)
    return maps


def _swin(p, config, images):
    def block(name, x, stage, index):
        if stage and not index:
            rows = [x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
            x = _first(p, f"{name}.entrance.norm", torch.cat(rows, 1), 1e-5)
            x = F.conv2d(x, p[f"{name}.entrance.weight"][:, :, None, None])
        side = config["image_size"] // (config["patch_size"] * 2**stage)
        size = min(config["window_size"], side)
        y = _first(p, f"{name}.norm_attention", x, 1e-5)
        shift = size // 2 if index % 2 else 0
        x = x + _window_attention(p, f"{name}.attention", y, size, shift, config["num_heads"] * 2**stage)
        y = _mlp(p, f"{name}.mlp", _first(p, f"{name}.norm_mlp", x, 1e-5).permute(0, 2, 3, 1))
        return x + y.permute(0, 3, 1, 2)

    maps = _staged(config, _patch_stem(p, config, images, 1e-5), block)
    normed = _first(p, "norm", maps[-1], 1e-5)
    return maps, normed.mean((2, 3)), normed


def _window_attention(p, name, x, size, shift, heads):
    """Attention within windows; positions beyond the edge of the map are masked."""
    height, width = x.shape[2:]

    def axis(length):
        side = min(size, length)
        moved = shift if side < length else 0
        padded = -(-length // side) * side
        # Shifted windows that the edge cuts off are windows of their own.
        index = torch.arange(length, device=x.device)
        index = (index - moved) % padded - padded * (index < moved)
        return torch.div(index, side, rounding_mode="floor")

    rows, columns = axis(height), axis(width)
    window = (rows[:, None] * (4 * width) + columns).flatten()
    row, column = (each.flatten() for each in torch.meshgrid(
        torch.arange(height, device=x.device), torch.arange(width, device=x.device), indexing="ij"
    ))  # fmt: skip
    allowed = window[:, None] == window
    relative = (row[:, None] - row + size - 1) * (2 * size - 1) + column[:, None] - column + size - 1
    bias = p[f"{name}.relative_position_bias"][torch.where(allowed, relative, 0)].permute(2, 0, 1)
    q, k, v = _heads(_linear(p, f"{name}.qkv", _as_tokens(x)), heads)
    bias = bias.masked_fill(~allowed, -math.inf)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2)
    return _linear(p, f"{name}.out", y).transpose(1, 2).reshape(x.shape)


def _convnext(p, config, images):
    def block(name, x, stage, index):
        if stage and not index:
            x = _windows(p, f"{name}.entrance.reduce", _first(p, f"{name}.entrance.norm", x, 1e-6), 2)
        filters = p[f"{name}.conv.weight"].permute(2, 0, 1)[:, None]
        y = F.conv2d(x, filters, p[f"{name}.conv.bias"], padding=filters.shape[-1] // 2, groups=x.shape[1])
        y = _mlp(p, f"{name}.mlp", _layer_norm(p, f"{name}.norm", y.permute(0, 2, 3, 1), 1e-6))
        return x + (y * p[f"{name}.layer_scale"]).permute(0, 3, 1, 2)

    maps = _staged(config, _patch_stem(p, config, images, 1e-6), block)
    vector = _layer_norm(p, "norm", maps[-1].mean((2, 3)), 1e-6)
    return maps, vector, _first(p, "norm", maps[-1], 1e-6)


def _resnet(p, config, images):
    def conv(name, x, stride):
        filters = p[f"{name}.filters"]
        return F.conv2d(x, filters, stride=stride, padding=filters.shape[-1] // 2)

    def norm(name, x):
        if config.get("norm") == "batch":
            return x * p[f"{name}.weight"][:, None, None] + p[f"{name}.bias"][:, None, None]
        groups = x.shape[1] // math.gcd(x.shape[1], 16)
        return F.group_norm(x, groups, p[f"{name}.weight"], p[f"{name}.bias"], 1e-5)

    def block(name, x, stage, index):
        stride = 2 if stage and not index else 1
        y = x
        for number, step in enumerate((1, stride, 1) if config["bottleneck"] else (stride, 1)):
            y = F.relu(y) if number else y
            y = norm(f"{name}.norms.{number}", conv(f"{name}.convs.{number}", y, step))
        if f"{name}.shortcut.filters" in p:
            x = norm(f"{name}.norm_shortcut", conv(f"{name}.shortcut", x, stride))
        return F.relu(x + y)

    x = F.relu(norm("norm_stem", conv("stem", images, 1 if config["patch_size"] == 1 else 2)))
    x = F.max_pool2d(x, 3, stride=2, padding=1) if config["patch_size"] == 4 else x
    maps = _staged(config, x, block)
    return maps, maps[-1].mean((2, 3)), maps[-1]


def _conv_norm(p, name, x):
    return F.relu(_batch_norm(p, f"{name}.norm", _conv(p, f"{name}.conv", x)))


def _batch_norm(p, name, x):
    stored = [p[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    return F.batch_norm(x, *stored)


def _resized(x, size):
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def _stacked(maps):
    return torch.cat([_resized(x, maps[0].shape[2:]) for x in maps], 1)


def _pyramid(p, taps):
    """Taps of one size -> fine to coarse; taps that are a pyramid stay."""
    if len({tap.shape[2] for tap in taps}) > 1:
        return taps
    first = len({name.split(".")[2] for name in p if name.startswith("enlarge.0.")})
    levels = []
    for level, x in enumerate(taps):
        for index in range(max(0, first - level)):
            name = f"enlarge.{level}.{index}"
            x = F.gelu(_batch_norm(p, f"{name}.norm", x)) if index else x
            # Rows of the weight: row of the 2 x 2 window, column, output channel.
            dim = x.shape[1]
            kernel = p[f"{name}.deconv.weight"].reshape(2, 2, dim, dim).permute(3, 2, 0, 1)
            x = F.conv_transpose2d(x, kernel, p[f"{name}.deconv.bias"], stride=2)
        for _ in range(max(0, level - first)):
            x = F.max_pool2d(x, 2, ceil_mode=True)
        levels.append(x)
    return levels


def _uper(p, maps):
    pooled = [
        _conv_norm(p, f"pooling.reduce.{number}", F.adaptive_avg_pool2d(maps[-1], size))
        for number, size in enumerate(_POOL_SIZES)
    ]
    merged = [_conv_norm(p, "pooling.fuse", _stacked([maps[-1], *pooled]))]
    for level in range(len(maps) - 2, -1, -1):
        lateral = _conv_norm(p, f"laterals.{level}", maps[level])
        merged.insert(0, lateral + _resized(merged[0], lateral.shape[2:]))
    smooth = [_conv_norm(p, f"smooths.{level}", x) for level, x in enumerate(merged[:-1])]
    return _conv(p, "predict", _conv_norm(p, "fuse", _stacked([*smooth, merged[-1]])))
