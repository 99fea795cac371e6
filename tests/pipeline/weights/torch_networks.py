"""Networks in PyTorch, from the papers and with the names of published weights; features of every block.

Shapes: B images, D channels, p pixels per patch side.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Features:
    """Features after each block, normed."""

    cls: torch.Tensor  # (B, blocks, D)
    patches: torch.Tensor  # (B, blocks, N, D)


def resized_positions(positions, grid):
    """(1, 1 + N, D) -> for a grid (h, w): bicubic between half-pixel centres, without antialiasing."""
    side = math.isqrt(positions.shape[1] - 1)
    image = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    image = functional.interpolate(image, size=grid, mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], image.permute(0, 2, 3, 1).reshape(1, grid[0] * grid[1], -1)], 1)


class Scale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))


class TimmBlock(nn.Module):
    def __init__(self, dim, heads, hidden, scaled):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, hidden), "fc2": nn.Linear(hidden, dim)})
        self.ls1, self.ls2 = (Scale(dim), Scale(dim)) if scaled else (None, None)

    def forward(self, x):
        batch, num, dim = x.shape
        qkv = self.attn["qkv"](self.norm1(x)).reshape(batch, num, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1)
        mixed = self.attn["proj"]((weights @ value).transpose(1, 2).reshape(batch, num, dim))
        x = x + (mixed if self.ls1 is None else mixed * self.ls1.gamma)
        hidden = self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))
        return x + (hidden if self.ls2 is None else hidden * self.ls2.gamma)


class TimmVit(nn.Module):
    """ViT with timm's names."""

    def __init__(
        self, dim=32, depth=3, heads=2, hidden=64, patch=4, image_size=16, scaled=False, registers=0
    ):
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, patch, stride=patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (image_size // patch) ** 2, dim))
        self.blocks = nn.ModuleList([TimmBlock(dim, heads, hidden, scaled) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.registers = registers
        if registers:  # DINOv2's
            self.register_tokens = nn.Parameter(torch.zeros(1, registers, dim))

    def features(self, images):
        x = self.patch_embed["proj"](images)
        grid = tuple(x.shape[2:])
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1)
        x = x + resized_positions(self.pos_embed, grid)
        if self.registers:
            x = torch.cat([x[:, :1], self.register_tokens.expand(len(x), -1, -1), x[:, 1:]], 1)
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(self.norm(x))
        stacked = torch.stack(found, 1)
        return Features(cls=stacked[:, :, 0], patches=stacked[:, :, 1 + self.registers :])


def randomised(network, seed=0):
    """Draw every parameter, norms and biases too, so that none can be left out unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            size = 0.5 if parameter.ndim == 1 else 2 / math.sqrt(parameter[0].numel())
            parameter.copy_(around + size * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def hugging_face_names(state):
    """timm's names and its joined q, k, v -> those of the files that ViTModel writes."""
    renamed = {}
    for name, tensor in state.items():
        for old, new in (
            ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
            ("cls_token", "embeddings.cls_token"),
            ("pos_embed", "embeddings.position_embeddings"),
            ("blocks.", "encoder.layer."),
            ("norm1", "layernorm_before"),
            ("norm2", "layernorm_after"),
            ("attn.proj", "attention.output.dense"),
            ("mlp.fc1", "intermediate.dense"),
            ("mlp.fc2", "output.dense"),
        ):
            name = name.replace(old, new) if old in name else name
        name = f"layernorm{name[4:]}" if name.startswith("norm.") else name
        if "attn.qkv" in name:
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                renamed[name.replace("attn.qkv", f"attention.attention.{part}")] = piece.clone()
        else:
            renamed[name] = tensor
    return renamed


def hugging_face_dinov2_names(state):
    """As `hugging_face_names`, for Dinov2Model."""
    for old, new in (("ls1.gamma", "layer_scale1.lambda1"), ("ls2.gamma", "layer_scale2.lambda1")):
        state = {name.replace(old, new): tensor for name, tensor in state.items()}
    found = hugging_face_names(state)
    for new, old in (
        ("norm1", "layernorm_before"),
        ("norm2", "layernorm_after"),
        ("mlp.fc1", "intermediate.dense"),
    ):
        found = {name.replace(old, new): tensor for name, tensor in found.items()}
    return {
        name if "attention" in name else name.replace("output.dense", "mlp.fc2"): tensor
        for name, tensor in found.items()
    }
