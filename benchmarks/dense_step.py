"""Fine-tuning steps of segmentation and detection, at the sizes of a preset."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jittor as jt
import numpy as np
from safetensors.numpy import save_file

from benchmarks.dense_sizes import (
    BATCH,
    FIRST,
    LR,
    NUM_CLASSES,
    WEIGHT_DECAY,
    dense_experiment,
    truth_arrays,
)
from benchmarks.step_inputs import distance_from
from benchmarks.step_profile import profiled
from pipeline import kernels
from pipeline.config.experiment import Experiment
from pipeline.detection.batches import DetectBatch
from pipeline.detection.cascade import CascadeMaskRcnn
from pipeline.detection.targets import GroundTruth
from pipeline.detection.training import detection_losses
from pipeline.finetune.rates import decayed
from pipeline.kernels.adamw import AdamW
from pipeline.models.backbones import build_backbone
from pipeline.models.dense_backbone import DenseBackbone
from pipeline.models.initialization import initialize
from pipeline.segmentation.batches import SegmentBatch
from pipeline.segmentation.network import SegmentationNetwork


class DenseStep:
    """A repeat returns the seconds of one step.

    Args:
        parameters: `task`, "segmentation" or "detection"; and those of `dense_experiment`.
        folder: the initial weights and the batch are written here for the other program.
    """

    def __init__(self, parameters: dict, folder: Path):
        kernels.use("fused")
        make = {"segmentation": _segmentation, "detection": _detection}[parameters["task"]]
        self.network, self.losses, self.batch, schedule = make(dense_experiment(parameters))
        kernels.use_precision(schedule.precision, auto="tf32")
        named = [(name, p) for name, p in self.network.named_parameters() if p.requires_grad]
        self.parameters = [parameter for _, parameter in named]
        flags = [decayed(name, p.shape, embeddings=schedule.embeddings_decay) for name, p in named]
        self.optimizer = AdamW(self.parameters, decayed=flags, max_gradient_norm=schedule.max_gradient_norm)
        self.network.train()
        save_file({name: p.numpy() for name, p in named}, folder / FIRST)
        np.savez(folder / BATCH, images=self.batch.images, **_truth(self.batch))
        self.check = {f"loss of step {step + 1}": self._step().item() for step in range(2)}
        self.check["network's distance"] = distance_from(
            folder / FIRST, ((name, p.numpy()) for name, p in named)
        )

    def repeat(self) -> float:
        jt.sync_all(True)
        started = time.perf_counter()
        self._step()
        jt.sync_all(True)
        return time.perf_counter() - started

    def report(self) -> list[dict[str, Any]]:
        """The slowest operations of a step."""
        return profiled(self._step, count=12)

    def _step(self) -> jt.Var:
        loss = sum(self.losses(self.batch, None).values())
        self.optimizer.step(jt.grad(loss, self.parameters), lr=LR, weight_decay=WEIGHT_DECAY)
        return loss


def _truth(batch: SegmentBatch | DetectBatch) -> dict[str, np.ndarray]:
    if isinstance(batch, SegmentBatch):
        return {"label_maps": batch.label_maps}
    return truth_arrays(batch.truths) | {"sample_seeds": batch.sample_seeds}


def _backbone(experiment: Experiment, *, tap_norm: bool) -> DenseBackbone:
    network = build_backbone(experiment.backbone)
    initialize(network, seed=0)
    return DenseBackbone(network, tap_norm=tap_norm, frozen=False)


def _segmentation(experiment: Experiment) -> tuple[SegmentationNetwork, Callable, SegmentBatch, object]:
    rng = np.random.default_rng(0)
    config = experiment.segmentation.stage_config("uper-finetuned", seed=0)
    network = SegmentationNetwork(_backbone(experiment, tap_norm=config.heads.tap_norm), config, NUM_CLASSES)
    size, side = config.schedule.batch_size, config.view.crop_size
    coarse = rng.integers(0, NUM_CLASSES, (size, side // 16, side // 16)).astype(np.int16)
    batch = SegmentBatch(
        names=[str(index) for index in range(size)],
        images=rng.standard_normal((size, 3, side, side), np.float32),
        label_maps=coarse.repeat(16, axis=1).repeat(16, axis=2),
        channel_scales=[np.ones((size, width), np.float32) for width in network.dropout_widths],
    )
    return network, network.losses, batch, config.schedule


def _detection(experiment: Experiment) -> tuple[CascadeMaskRcnn, Callable, DetectBatch, object]:
    rng = np.random.default_rng(0)
    config = experiment.detection.stage_config("finetuned", seed=0)
    backbone = _backbone(experiment, tap_norm=config.heads.tap_norm)
    network = CascadeMaskRcnn(backbone, config.heads, NUM_CLASSES, masks=True, seed=0)
    size, side = config.schedule.batch_size, config.view.short_sides[0]
    batch = DetectBatch(
        names=[str(index) for index in range(size)],
        images=rng.standard_normal((size, 3, side, side), np.float32),
        sizes=np.full((size, 2), side),
        truths=[_rectangles(rng, side, count=3) for _ in range(size)],
        sample_seeds=rng.integers(2**62, size=size),
    )
    return network, partial(detection_losses, network), batch, config.schedule


def _rectangles(rng: np.random.Generator, side: int, count: int) -> GroundTruth:
    corners = rng.integers(0, side // 2, (count, 2))
    extents = rng.integers(side // 8, side // 2, (count, 2))
    boxes = np.concatenate([corners, corners + extents], axis=1)
    masks = np.zeros((count, side, side), bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.tolist(), strict=True):
        mask[top:bottom, left:right] = True
    classes = rng.integers(0, NUM_CLASSES, count)
    return GroundTruth(
        boxes=boxes.astype(np.float32), classes=classes, crowds=np.zeros((0, 4), np.float32), masks=masks
    )
