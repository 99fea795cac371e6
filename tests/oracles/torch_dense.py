"""UPerNet, the feature pyramid, the mask head and the dense losses in PyTorch, written directly.

Parameters are a dict with the project's names.
"""

import torch
import torch.nn.functional as F


def conv_norm(p, name, x):
    weight = p[f"{name}.conv.weight"]
    x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
    return F.batch_norm(x, None, None, p[f"{name}.norm.weight"], p[f"{name}.norm.bias"], training=True).relu()


def resized(x, like):
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def uper(p, maps, channel_scales):
    """Xiao et al.'s decoder, step by step."""
    pooled = [
        resized(conv_norm(p, f"pooling.reduce.{i}", F.adaptive_avg_pool2d(maps[3], size)), maps[3])
        for i, size in enumerate((1, 2, 3, 6))
    ]
    coarsest = conv_norm(p, "pooling.fuse", torch.cat([maps[3], *pooled], 1))
    merged = coarsest
    levels = [coarsest]
    for i in (2, 1, 0):
        # Laterals are stored finest first.
        lateral = conv_norm(p, f"laterals.{i}", maps[i])
        merged = lateral + resized(merged, lateral)
        levels.insert(0, conv_norm(p, f"smooths.{i}", merged))
    stacked = torch.cat([resized(level, levels[0]) for level in levels], 1)
    fused = conv_norm(p, "fuse", stacked) * channel_scales[:, :, None, None]
    return F.conv2d(fused, p["predict.weight"], p["predict.bias"])


def fpn(p, maps):
    """Levels, with a fifth one of every second position."""
    sums = [
        F.conv2d(x, p[f"lateral.{i}.weight"][:, :, None, None], p[f"lateral.{i}.bias"])
        for i, x in enumerate(maps)
    ]
    for i in (2, 1, 0):
        grown = F.interpolate(sums[i + 1], scale_factor=2, mode="nearest")
        sums[i] = sums[i] + grown[:, :, : sums[i].shape[2], : sums[i].shape[3]]
    levels = [
        F.conv2d(x, p[f"smooth.{i}.weight"], p[f"smooth.{i}.bias"], padding=1) for i, x in enumerate(sums)
    ]
    return [*levels, F.max_pool2d(levels[-1], 1, 2)]


def mask_head(p, x, classes):
    """A 1 x 1 convolution to all classes, of which one is picked."""
    for i in range(2):
        x = torch.relu(F.conv2d(x, p[f"convs.{i}.weight"], p[f"convs.{i}.bias"], padding=1))
    # Rows of the deconvolution: row of the window, column, output channel.
    kernel = p["enlarge.weight"].reshape(2, 2, 16, 16).permute(3, 2, 0, 1)
    x = torch.relu(F.conv_transpose2d(x, kernel, p["enlarge.bias"], stride=2))
    everything = F.conv2d(x, p["predict.weight"][:, :, None, None], p["predict.bias"])
    return everything[torch.arange(len(classes)), classes]


def loss(name, x, target, *, beta, ignored):
    """One of the losses of segmentation and detection; elementwise ones are not summed."""
    if name == "binary cross-entropy":
        return F.binary_cross_entropy_with_logits(x, target, reduction="none")
    if name == "smooth L1":
        return F.smooth_l1_loss(x, target, beta=beta, reduction="none")
    if name == "cross-entropy":
        return F.cross_entropy(x, target)
    x = F.interpolate(x, size=target.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(x, target.long(), ignore_index=ignored)
