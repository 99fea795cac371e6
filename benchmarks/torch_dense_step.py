"""Base class of the fine-tuning steps in eager PyTorch: ViT, taps, pyramid, clipping, AdamW."""

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
from pipeline.config.dense import DetectConfig, SegmentConfig
from pipeline.config.reading import read_experiment
from pipeline.finetune.rates import decayed


class TorchDenseStep:
    """The same network, batch and optimiser as in `dense_step.DenseStep`, with patches of 8 pixels.

    It uses fused attention and AdamW, foreach operations instead of loops, and channels-last convolutions.

    Args:
        config: of the fine-tuning.
        folder: holds the initial weights and the batch.
        pyramid: prefix of the names of the pyramid's weights.
    """

    def __init__(self, config: SegmentConfig | DetectConfig, folder: Path, pyramid: str):
        self.backbone = read_experiment(DENSE_PRESET).backbone
        self.config = config
        with np.load(folder / BATCH) as batch:
            self.batch = dict(batch)
        self.images = torch.from_numpy(self.batch["images"])
        self.weights = {name: _tensor(array) for name, array in load_file(folder / FIRST).items()}
        embeddings = config.schedule.embeddings_decay
        decayed_of = {
            name: decayed(name, tuple(w.shape), embeddings=embeddings) for name, w in self.weights.items()
        }
        self.optimizer = fused_adamw(self.weights, decayed_of, lr=LR, weight_decay=WEIGHT_DECAY)
        # With the names of the pretraining network's base.
        self.base = {name.replace("backbone.network.", "backbone."): w for name, w in self.weights.items()}
        self._enlarge = f"{pyramid}.enlarge.0.0.deconv"
        self.prepare()
        self.check = {f"loss of step {step + 1}": self._step().item() for step in range(2)}
        arrays = ((name, weight.detach().numpy()) for name, weight in self.weights.items())
        self.check["network's distance"] = distance_from(folder / FIRST, arrays)

    def prepare(self) -> None:
        """Prepare the batch before the first step."""

    def loss(self) -> torch.Tensor:
        """The sum of all weighted terms."""
        raise NotImplementedError

    def repeat(self) -> float:
        """Seconds of one step."""
        started = time.perf_counter()
        self._step()
        return time.perf_counter() - started

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
        """Maps (B, D, h, w) of 2, 1, 1/2 and 1/4 times the taps' side."""
        taps = self._taps()
        finest = self.enlarged(self._enlarge, taps[0])
        return [finest, taps[1], F.max_pool2d(taps[2], 2), F.max_pool2d(F.max_pool2d(taps[3], 2), 2)]

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


def _tensor(array: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    if tensor.ndim == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor.requires_grad_(True)
