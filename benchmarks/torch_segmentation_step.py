"""The fine-tuning step of segmentation in eager PyTorch: UPerNet and its auxiliary head."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.dense_sizes import dense_experiment
from benchmarks.torch_dense_step import TorchDenseStep

_POOL_SIZES = (1, 2, 3, 6)
_AUXILIARY_LEVEL = 2


class TorchSegmentationStep(TorchDenseStep):
    """See `torch_dense_step.TorchDenseStep`."""

    def __init__(self, parameters: dict, folder: Path):
        experiment = dense_experiment(parameters)
        config = experiment.segmentation.stage_config("uper-finetuned", seed=0)
        device = parameters.get("device", "cpu")
        super().__init__(experiment, config, folder, device=device, pyramid="pyramid")

    def prepare(self) -> None:
        self.label_maps = self.put(self.batch["label_maps"].astype(np.int64))

    def loss(self) -> torch.Tensor:
        maps = self.pyramid()
        loss = self._loss(self._uper(maps))
        if self.config.heads.auxiliary_weight:
            hidden = self._conv_norm("auxiliary.mix", maps[_AUXILIARY_LEVEL])
            loss = loss + self.config.heads.auxiliary_weight * self._loss(
                self.conv("auxiliary.predict", hidden)
            )
        return loss

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
        return self.conv("head.predict", self._conv_norm("head.fuse", stacked))

    def _loss(self, logits: torch.Tensor) -> torch.Tensor:
        size = self.label_maps.shape[1:]
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return F.cross_entropy(logits, self.label_maps)

    def _conv_norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        weight = self.weights[f"{name}.conv.weight"]
        x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        return self.batch_norm(f"{name}.norm", x).relu_()


def _resized(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
