"""Swin, ConvNeXt and ResNet in PyTorch, from the papers, with timm's names; pooled vector and patches.

Windows are a mask over all pairs of positions, instead of a cut map: slow, and easy to check.

Shapes: B images, C channels of a stage, h x w positions.
"""

import torch
from torch import nn
from torch.nn import functional


class Window(nn.Module):
    def __init__(self, dim, heads, size):
        super().__init__()
        self.heads, self.size = heads, size
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * size - 1) ** 2, heads))

    def forward(self, x, shift):
        batch, height, width, dim = x.shape
        rows, columns = (axis.flatten() for axis in torch.meshgrid(
            torch.arange(height), torch.arange(width), indexing="ij"))  # fmt: skip
        allowed, offsets = torch.ones(len(rows), len(rows), dtype=torch.bool), []
        for places, length in ((rows, height), (columns, width)):
            shift = shift if self.size < length else 0
            moved = (places - shift) % length
            for label in (moved // self.size, places < shift):
                allowed &= label[:, None] == label[None]
            offsets.append((moved % self.size)[:, None] - (moved % self.size)[None] + self.size - 1)
        index = (offsets[0] * (2 * self.size - 1) + offsets[1]).clamp(0, (2 * self.size - 1) ** 2 - 1)
        bias = self.relative_position_bias_table[index].permute(2, 0, 1)
        qkv = self.qkv(x).reshape(batch, -1, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5 + bias
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
        return self.proj((weights @ value).transpose(1, 2).reshape(x.shape))


class SwinBlock(nn.Module):
    def __init__(self, dim, heads, size, shift):
        super().__init__()
        self.shift = shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Window(dim, heads, size)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 2 * dim), "fc2": nn.Linear(2 * dim, dim)})

    def forward(self, x):
        x = x + self.attn(self.norm1(x), self.shift)
        return x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))


class Merging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        """Liu et al.'s order: rows vary fastest."""
        places = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(places, -1)))


class SwinStage(nn.Module):
    def __init__(self, dim, depth, heads, window, enters):
        super().__init__()
        if enters:
            self.downsample = Merging(dim // 2)
        shifts = [window // 2 if index % 2 else 0 for index in range(depth)]
        self.blocks = nn.ModuleList([SwinBlock(dim, heads, window, shift) for shift in shifts])

    def forward(self, x):
        x = self.downsample(x) if hasattr(self, "downsample") else x
        for block in self.blocks:
            x = block(x)
        return x


class TimmSwin(nn.Module):
    """At 64 pixels: maps of 16, 8, 4 and 2 positions a side, windows of 4, 4, 4 and 2."""

    image_size = 64

    def __init__(self, dim=16, depths=(2, 1, 2, 1), heads=2, window=4):
        super().__init__()
        norm = nn.LayerNorm(dim)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, 4, stride=4), "norm": norm})
        sides = [16 // 2**stage for stage in range(4)]
        self.layers = nn.ModuleList([
            SwinStage(dim * 2**stage, depth, heads * 2**stage, min(window, side), enters=stage > 0)
            for stage, (depth, side) in enumerate(zip(depths, sides, strict=True))
        ])  # fmt: skip
        self.norm = nn.LayerNorm(8 * dim)

    def features(self, images):
        x = self.patch_embed["norm"](self.patch_embed["proj"](images).permute(0, 2, 3, 1))
        for stage in self.layers:
            x = stage(x)
        patches = self.norm(x).flatten(1, 2)
        return patches.mean(1), patches


class ConvNextBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv_dw = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 3 * dim), "fc2": nn.Linear(3 * dim, dim)})
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        hidden = self.norm(self.conv_dw(x).permute(0, 2, 3, 1))
        hidden = self.mlp["fc2"](functional.gelu(self.mlp["fc1"](hidden))) * self.gamma
        return x + hidden.permute(0, 3, 1, 2)


class MapNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, h, w)."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TimmConvNext(nn.Module):
    image_size = 224

    def __init__(self, dim=16, depths=(1, 2, 1, 1)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, dim, 4, stride=4), MapNorm(dim, eps=1e-6))
        self.stages = nn.ModuleList()
        for stage, depth in enumerate(depths):
            parts = {"blocks": nn.Sequential(*[ConvNextBlock(dim * 2**stage) for _ in range(depth)])}
            if stage:
                before = dim * 2 ** (stage - 1)
                down = nn.Conv2d(before, 2 * before, 2, stride=2)
                parts["downsample"] = nn.Sequential(MapNorm(before, eps=1e-6), down)
            self.stages.append(nn.ModuleDict(parts))
        self.head = nn.ModuleDict({"norm": nn.LayerNorm(8 * dim, eps=1e-6)})

    def features(self, images):
        x = self.stem(images)
        for stage in self.stages:
            x = stage["blocks"](stage["downsample"](x) if "downsample" in stage else x)
        places = x.flatten(2).transpose(1, 2)
        return self.head["norm"](places.mean(1)), self.head["norm"](places)


class ResNetBlock(nn.Module):
    def __init__(self, before, dim, stride, bottleneck):
        super().__init__()
        inner = dim // 4 if bottleneck else dim
        shapes = [(before, inner, 3, stride), (inner, dim, 3, 1)]
        if bottleneck:
            shapes = [(before, inner, 1, 1), (inner, inner, 3, stride), (inner, dim, 1, 1)]
        self.num = len(shapes)
        for number, (a, b, side, step) in enumerate(shapes, 1):
            setattr(self, f"conv{number}", nn.Conv2d(a, b, side, step, side // 2, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(b))
        self.downsample = None
        if stride > 1 or before != dim:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, dim, 1, stride, bias=False), nn.BatchNorm2d(dim)
            )

    def forward(self, x):
        y = x
        for number in range(1, self.num + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = y.relu() if number < self.num else y
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class TorchvisionResNet(nn.Module):
    """ResNet with torchvision's names, in evaluation mode, with trained statistics."""

    image_size = 64

    def __init__(self, depths=(1, 2, 1, 1), bottleneck=False):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for stage, depth in enumerate(depths):
            dim = 64 * 2**stage * (4 if bottleneck else 1)
            blocks = []
            for index in range(depth):
                blocks.append(ResNetBlock(before, dim, 2 if stage and not index else 1, bottleneck))
                before = dim
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, 10)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.3)
                nn.init.uniform_(module.running_var, 0.5, 2)
        self.eval()

    def features(self, images):
        x = functional.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return x.mean((2, 3)), x.flatten(2).transpose(1, 2)


class Bottlenecks(TorchvisionResNet):
    def __init__(self):
        super().__init__((1, 1, 1, 1), bottleneck=True)


def moco(state):
    """As trained by MoCo v1 and v2: two encoders and a queue."""
    both = {f"module.encoder_q.{name}": value for name, value in state.items()}
    both |= {f"module.encoder_k.{name}": torch.zeros_like(value) for name, value in state.items()}
    queue = {"module.queue": torch.zeros(4, 8), "module.queue_ptr": torch.zeros(1, dtype=torch.int64)}
    return {"epoch": 3, "arch": "resnet50", "state_dict": both | queue}


def plain(state):
    return state


def swin_of_authors(state):
    """Merging is at the end of the previous stage; buffers and a classifier are in the file."""
    named = {}
    for name, tensor in state.items():
        if ".downsample." in name:
            stage = int(name.split(".")[1])
            name = name.replace(f"layers.{stage}.", f"layers.{stage - 1}.")
        named[name] = tensor
    named["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(16, 16, dtype=torch.int64)
    named["layers.0.blocks.1.attn_mask"] = torch.zeros(16, 16, 16)
    return {"model": named | {"head.weight": torch.zeros(5, 128), "head.bias": torch.zeros(5)}}


def convnext_of_authors(state):
    named = {}
    for name, tensor in state.items():
        for theirs, authors in (
            ("stem.", "downsample_layers.0."),
            (".blocks.", "."),
            ("conv_dw", "dwconv"),
            ("mlp.fc1", "pwconv1"),
            ("mlp.fc2", "pwconv2"),
            ("head.norm", "norm"),
        ):
            name = name.replace(theirs, authors)
        if ".downsample." in name:
            _, stage, _, rest = name.split(".", 3)
            name = f"downsample_layers.{stage}.{rest}"
        named[name] = tensor
    return {"model": named}
