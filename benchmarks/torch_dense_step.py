"""The fine-tuning step of segmentation in eager PyTorch: ViT, pyramid, UPerNet, auxiliary head, AdamW."""

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file

from benchmarks.counting import DENSE_PRESET
from benchmarks.dense_sizes import BATCH, FIRST, LR, WEIGHT_DECAY
from benchmarks.step_inputs import distance_from
from benchmarks.torch_network import block, embed, norm
from benchmarks.torch_training import clip_each, fused_adamw
from pipeline.config.reading import read_experiment
from pipeline.finetune.rates import decayed

_POOL_SIZES = (1, 2, 3, 6)
_AUXILIARY_LEVEL = 2


class TorchSegmentationStep:
    """The same network, batch and optimiser as of `dense_step.DenseStep`, with patches of 8 pixels.

    Fused attention and AdamW, lists of tensors instead of loops, convolutions with the channels last.

    Args:
        folder: holds the initial weights and the batch.
    """

    def __init__(self, parameters: dict, folder: Path):
        self.experiment = read_experiment(DENSE_PRESET)
        self.config = self.experiment.segmentation.stage_config("uper-finetuned", seed=0)
        with np.load(folder / BATCH) as batch:
            self.images = torch.from_numpy(batch["images"])
            self.label_maps = torch.from_numpy(batch["label_maps"].astype(np.int64))
        self.weights = {name: _tensor(array) for name, array in load_file(folder / FIRST).items()}
        embeddings = self.config.schedule.embeddings_decay
        decayed_of = {
            name: decayed(name, tuple(w.shape), embeddings=embeddings) for name, w in self.weights.items()
        }
        self.optimizer = fused_adamw(self.weights, decayed_of, lr=LR, weight_decay=WEIGHT_DECAY)
        # As the network of pretraining is called, of which this one has the base.
        self.base = {name.replace("backbone.network.", "backbone."): w for name, w in self.weights.items()}
        self.check = {f"loss of step {step + 1}": self._step().item() for step in range(2)}
        arrays = ((name, weight.detach().numpy()) for name, weight in self.weights.items())
        self.check["network's distance"] = distance_from(folder / FIRST, arrays)

    def repeat(self) -> float:
        """Seconds of one step."""
        started = time.perf_counter()
        self._step()
        return time.perf_counter() - started

    def _step(self) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        maps = self._pyramid(self._taps())
        loss = self._loss(self._uper(maps))
        if self.config.heads.auxiliary_weight:
            hidden = self._conv_norm("auxiliary.mix", maps[_AUXILIARY_LEVEL])
            loss = loss + self.config.heads.auxiliary_weight * self._loss(
                self._conv("auxiliary.predict", hidden)
            )
        loss.backward()
        limit = self.config.schedule.max_gradient_norm
        if limit:
            clip_each(self.weights.values(), limit)
        self.optimizer.step()
        return loss.detach()

    def _taps(self) -> list[torch.Tensor]:
        """Four feature maps (B, D, h, w), channels last."""
        backbone, taps = self.experiment.backbone, []
        x = embed(self.base, backbone, self.images)
        for index in range(backbone.depth):
            x = block(self.base, index, x, backbone.num_heads, None)
            taps.append(x)
        chosen = [taps[index] for index in _tap_blocks(backbone.depth)]
        if self.config.heads.tap_norm:
            chosen = [norm(self.base, "backbone.norm", tap, 1e-6) for tap in chosen]
        grid = self.images.shape[-1] // backbone.patch_size
        return [tap[:, 1:].reshape(len(tap), grid, grid, -1).permute(0, 3, 1, 2) for tap in chosen]

    def _pyramid(self, taps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Twice, once, half and a quarter of the taps' side: of patches of 8 pixels."""
        dim = taps[0].shape[1]
        # Rows of the weight: row of the window, its column, output channel.
        kernel = self.weights["pyramid.enlarge.0.0.deconv.weight"].view(2, 2, dim, dim).permute(3, 2, 0, 1)
        finest = F.conv_transpose2d(
            taps[0], kernel, self.weights["pyramid.enlarge.0.0.deconv.bias"], stride=2
        )
        return [finest, taps[1], F.max_pool2d(taps[2], 2), F.max_pool2d(F.max_pool2d(taps[3], 2), 2)]

    def _uper(self, maps: list[torch.Tensor]) -> torch.Tensor:
        coarsest = maps[3]
        levels = [coarsest]
        for i, size in enumerate(_POOL_SIZES):
            pooled = self._conv_norm(f"head.pooling.reduce.{i}", F.adaptive_avg_pool2d(coarsest, size))
            levels.append(_resized(pooled, coarsest))
        merged = self._conv_norm("head.pooling.fuse", torch.cat(levels, 1))
        levels = [merged]
        for i in (2, 1, 0):
            lateral = self._conv_norm(f"head.laterals.{i}", maps[i])
            merged = lateral + _resized(merged, lateral)
            levels.insert(0, self._conv_norm(f"head.smooths.{i}", merged))
        stacked = torch.cat([_resized(level, levels[0]) for level in levels], 1)
        return self._conv("head.predict", self._conv_norm("head.fuse", stacked))

    def _loss(self, logits: torch.Tensor) -> torch.Tensor:
        size = self.label_maps.shape[1:]
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return F.cross_entropy(logits, self.label_maps)

    def _conv_norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        weight = self.weights[f"{name}.conv.weight"]
        x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        scale, shift = self.weights[f"{name}.norm.weight"], self.weights[f"{name}.norm.bias"]
        return F.batch_norm(x, None, None, scale, shift, training=True).relu_()

    def _conv(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])


def _tensor(array: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    if tensor.ndim == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor.requires_grad_(True)


def _tap_blocks(depth: int) -> list[int]:
    return [max(depth // 3 - 1, 0), max(depth // 2 - 1, 0), max(2 * depth // 3 - 1, 0), depth - 1]


def _resized(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
