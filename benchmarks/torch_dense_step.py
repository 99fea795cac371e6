"""Base class of the fine-tuning steps in eager PyTorch: ViT, taps, pyramid, clipping, AdamW."""

import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file

from benchmarks.dense_sizes import BATCH, FIRST, LR, WEIGHT_DECAY
from benchmarks.step_inputs import distance_from
from benchmarks.torch_network import block, embed, norm
from benchmarks.torch_training import clip_each, fused_adamw
from pipeline.config.dense import DetectConfig, SegmentConfig
from pipeline.config.experiment import Experiment
from pipeline.finetune.rates import decayed


class TorchDenseStep:
    """The same network, batch and optimiser as in `dense_step.DenseStep`.

    It uses fused attention and AdamW, foreach operations instead of loops, and channels-last convolutions.
    On a GPU products and convolutions are TF32, as ours.

    Args:
        experiment: has the backbone.
        config: of the fine-tuning.
        device: where it runs, "cpu" or "cuda".
        folder: holds the initial weights and the batch.
        pyramid: prefix of the names of the pyramid's weights.
    """

    def __init__(
        self,
        experiment: Experiment,
        config: SegmentConfig | DetectConfig,
        folder: Path,
        *,
        device: str,
        pyramid: str,
    ):
        self.backbone, self.config, self.device = experiment.backbone, config, torch.device(device)
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        with np.load(folder / BATCH) as batch:
            self.batch = dict(batch)
        self.images = self.put(self.batch["images"])
        self.weights = {name: _trained(self.put(array)) for name, array in load_file(folder / FIRST).items()}
        embeddings = config.schedule.embeddings_decay
        decayed_of = {
            name: decayed(name, tuple(w.shape), embeddings=embeddings) for name, w in self.weights.items()
        }
        self.optimizer = fused_adamw(self.weights, decayed_of, lr=LR, weight_decay=WEIGHT_DECAY)
        # With the names of the pretraining network's base.
        self.base = {name.replace("backbone.network.", "backbone."): w for name, w in self.weights.items()}
        self._enlarge = f"{pyramid}.enlarge"
        self.doublings = max(0, round(math.log2(self.backbone.patch_size / 4)))  # of the finest level
        self.prepare()
        self.check = {f"loss of step {step + 1}": self._step().item() for step in range(2)}
        arrays = ((name, weight.detach().cpu().numpy()) for name, weight in self.weights.items())
        self.check["network's distance"] = distance_from(folder / FIRST, arrays)

    def put(self, array: np.ndarray) -> torch.Tensor:
        """The array on the device."""
        return torch.from_numpy(array).to(self.device, non_blocking=True)

    def prepare(self) -> None:
        """Prepare the batch before the first step."""

    def loss(self) -> torch.Tensor:
        """The sum of all weighted terms."""
        raise NotImplementedError

    def repeat(self) -> float:
        """Seconds of one step."""
        self._wait()
        started = time.perf_counter()
        self._step()
        self._wait()
        return time.perf_counter() - started

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _step(self) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()
        limit = self.config.schedule.max_gradient_norm
        if limit:
            clip_each(self.weights.values(), limit)
        self.optimizer.step()
        return loss.detach()

    def pyramid(self) -> list[torch.Tensor]:
        """Maps (B, D, h, w) of four strides, the finest nearest to 4 pixels."""
        levels = []
        for level, x in enumerate(self._taps()):
            for index in range(self.doublings - level):
                name = f"{self._enlarge}.{level}.{index}"
                if index > 0:
                    x = F.gelu(self.batch_norm(f"{name}.norm", x))
                x = self.enlarged(f"{name}.deconv", x)
            for _ in range(level - self.doublings):
                x = F.max_pool2d(x, 2, ceil_mode=True)
            levels.append(x)
        return levels

    def batch_norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """The batch norm of this name, by the statistics of x (B, D, h, w)."""
        return F.batch_norm(
            x, None, None, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], training=True
        )

    def enlarged(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """The 2 x 2 transposed convolution of this name: (B, D, h, w) -> (B, D, 2 h, 2 w)."""
        dim = x.shape[1]
        # The weight's rows are ordered by window row, window column, output channel.
        kernel = self.weights[f"{name}.weight"].view(2, 2, dim, dim).permute(3, 2, 0, 1)
        return F.conv_transpose2d(x, kernel, self.weights[f"{name}.bias"], stride=2)

    def conv(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """The convolution of this name, which preserves the size."""
        weight = self.weights[f"{name}.weight"]
        return F.conv2d(x, weight, self.weights[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def _taps(self) -> list[torch.Tensor]:
        """Four feature maps (B, D, h, w), channels last."""
        x, taps = embed(self.base, self.backbone, self.images), []
        for index in range(self.backbone.depth):
            x = block(self.base, index, x, self.backbone.num_heads, None)
            taps.append(x)
        depth = self.backbone.depth
        chosen = [
            taps[i] for i in (max(depth // 3 - 1, 0), max(depth // 2 - 1, 0), max(2 * depth // 3 - 1, 0), -1)
        ]
        if self.config.heads.tap_norm:
            chosen = [norm(self.base, "backbone.norm", tap, 1e-6) for tap in chosen]
        grid = self.images.shape[-1] // self.backbone.patch_size
        return [tap[:, 1:].reshape(len(tap), grid, grid, -1).permute(0, 3, 1, 2) for tap in chosen]


def _trained(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.ndim == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor.requires_grad_(True)
