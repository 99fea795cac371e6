"""The fine-tuning step of detection in eager PyTorch: Cascade Mask R-CNN with torchvision's operators."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.ops import (
    batched_nms,
    clip_boxes_to_image,
    generalized_box_iou_loss,
    remove_small_boxes,
    roi_align,
)

from benchmarks.dense_sizes import NUM_CLASSES, dense_experiment, truths_of
from benchmarks.torch_dense_step import TorchDenseStep
from pipeline.detection.boxes import MAX_LOG_SCALE
from pipeline.detection.masks import mask_targets
from pipeline.detection.proposals import anchors_of_levels
from pipeline.detection.sizes import (
    BOX_BINS,
    GIOU_WEIGHT,
    MASK_BINS,
    MASK_SIZE,
    RPN_BETA,
    RPN_NMS_IOU,
    RPN_OUTPUTS,
    RPN_STDS,
    STAGES,
)
from pipeline.detection.targets import RoiSamples, sampled_anchors, sampled_rois

_SAMPLING = 2  # points along each side of a bin


class TorchDetectionStep(TorchDenseStep):
    """See `torch_dense_step.TorchDenseStep`; boxes without convolutions, one mask head, as in `quickstart`.

    The anchors and boxes of a step are sampled by the same NumPy code as ours, so that both programs train on
    the same ones.
    """

    def __init__(self, parameters: dict, folder: Path):
        experiment = dense_experiment(parameters)
        config = experiment.detection.stage_config("finetuned", seed=0)
        heads = config.heads
        if heads.box_convs or not heads.class_agnostic or heads.mask_heads != "last" or heads.num_levels > 4:
            raise ValueError(
                "no such heads here: boxes with convolutions or by class, several mask heads, a fifth level"
            )
        device = parameters.get("device", "cpu")
        super().__init__(experiment, config, folder, device=device, pyramid="heads.pyramid")

    def prepare(self) -> None:
        side = self.images.shape[-1]
        self._size, heads = (side, side), self.config.heads
        finest = side // self.backbone.patch_size * 2**self.doublings
        grids = [finest // 2**level for level in range(heads.num_levels)]
        self._strides = [side / grid for grid in grids]
        self._anchors = anchors_of_levels(
            tuple((grid, grid) for grid in grids),
            tuple(self._strides),
            heads.anchor_scale,
            heads.anchor_ratios,
        )
        self._anchor_boxes = self.put(self._anchors.boxes)
        self._truths = truths_of(self.batch)

    def loss(self) -> torch.Tensor:
        rngs = [np.random.default_rng(seed) for seed in self.batch["sample_seeds"].tolist()]
        levels = self._fpn(self.pyramid())
        outputs = self._rpn(levels)
        with torch.no_grad():
            found = [self._proposals(of_image) for of_image in outputs]
        return self._rpn_loss(outputs, rngs) + self._stage_losses(levels, found, rngs)

    def _fpn(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        lateral = "heads.fpn.lateral"
        sums = [self._pointwise(f"{lateral}.{index}", x) for index, x in enumerate(maps)]
        for finer in reversed(range(len(sums) - 1)):
            coarser = F.interpolate(sums[finer + 1], size=sums[finer].shape[2:], mode="nearest")
            sums[finer] = sums[finer] + coarser
        return [self.conv(f"heads.fpn.smooth.{index}", x) for index, x in enumerate(sums)]

    def _pointwise(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weights[f"{name}.weight"][:, :, None, None], self.weights[f"{name}.bias"])

    def _rpn(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """(B, N, 5): logit of an object, and deltas."""
        hidden = [F.relu_(self.conv("heads.rpn.conv", x)).permute(0, 2, 3, 1).flatten(1, 2) for x in levels]
        outputs = self._linear("heads.rpn.predict", torch.cat(hidden, dim=1))
        return outputs.reshape(len(outputs), -1, RPN_OUTPUTS)

    def _proposals(self, outputs: torch.Tensor) -> np.ndarray:
        heads, scores, ends = self.config.heads, outputs[:, 0], self._anchors.ends
        best = []
        for start, end in pairwise(ends.tolist()):
            count = min(heads.num_proposals_per_level, end - start)
            best.append(start + scores[start:end].topk(count).indices)
        levels = torch.cat([torch.full_like(rows, level) for level, rows in enumerate(best)])
        rows = torch.cat(best)
        boxes = _decoded(outputs[rows, 1:], self._anchor_boxes[rows], RPN_STDS)
        boxes = clip_boxes_to_image(boxes, self._size)
        solid = remove_small_boxes(boxes, 1e-12)
        boxes, rows, levels = boxes[solid], rows[solid], levels[solid]
        kept = batched_nms(boxes, scores[rows], levels, RPN_NMS_IOU)[: heads.num_proposals]
        return boxes[kept].cpu().numpy()

    def _rpn_loss(self, outputs: torch.Tensor, rngs: list[np.random.Generator]) -> torch.Tensor:
        heads = self.config.heads
        samples = [
            sampled_anchors(
                rng,
                self._anchors,
                truth,
                self._size,
                num_samples=heads.rpn_samples,
                inner_only=heads.inner_anchors_only,
            )
            for rng, truth in zip(rngs, self._truths, strict=True)
        ]
        rows = np.concatenate([i * outputs.shape[1] + sample.rows for i, sample in enumerate(samples)])
        positive = self.put(np.concatenate([sample.positive for sample in samples]))
        deltas = self.put(np.concatenate([sample.deltas for sample in samples]))
        picked = outputs.flatten(0, 1)[self.put(rows)]
        objectness = F.binary_cross_entropy_with_logits(picked[:, 0], positive.float(), reduction="sum")
        moved = F.smooth_l1_loss(picked[positive, 1:], deltas[positive], beta=RPN_BETA, reduction="sum")
        return (objectness + moved) / len(rows)

    def _stage_losses(
        self, levels: list[torch.Tensor], found: list[np.ndarray], rngs: list[np.random.Generator]
    ) -> torch.Tensor:
        loss = torch.zeros((), device=self.device)
        for index, stage in enumerate(STAGES):
            rois = sampled_rois(
                rngs,
                found,
                self._truths,
                iou=stage.iou,
                num_samples=self.config.heads.roi_samples,
                num_classes=NUM_CLASSES,
            )
            boxes, labels = self.put(rois.boxes), self.put(rois.labels)
            logits, deltas = self._box_head(index, self._pooled(levels, rois, boxes, BOX_BINS))
            moved = _decoded(deltas, boxes, stage.stds)
            positive = self.put(rois.truth >= 0)
            targets = self.put(rois.targets)[positive]
            distance = generalized_box_iou_loss(moved[positive], targets, reduction="sum")
            term = F.cross_entropy(logits, labels) + GIOU_WEIGHT * distance / len(boxes)
            loss = loss + stage.weight * term
            if index + 1 < len(STAGES):
                refined = clip_boxes_to_image(moved.detach(), self._size).cpu().numpy()
                keep = ~rois.is_truth
                found = [refined[keep & (rois.image_index == image)] for image in range(len(found))]
        return loss + self._mask_loss(levels, rois)

    def _pooled(
        self, levels: list[torch.Tensor], rois: RoiSamples, boxes: torch.Tensor, bins: int
    ) -> torch.Tensor:
        """(n, C, bins, bins): RoIAlign of each box on the level of its size."""
        sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1).sqrt()
        of_box = torch.floor(torch.log2(sides / self.config.heads.finest_scale + 1e-12)).clamp(
            0, len(levels) - 1
        )
        rows = torch.cat([self.put(rois.image_index)[:, None].float(), boxes], dim=1)
        pooled = levels[0].new_zeros(len(boxes), levels[0].shape[1], bins, bins)
        for level, (x, stride) in enumerate(zip(levels, self._strides, strict=True)):
            chosen = (of_box == level).nonzero()[:, 0]
            if len(chosen):
                values = roi_align(x, rows[chosen], bins, 1 / stride, _SAMPLING, aligned=True)
                pooled = pooled.index_put((chosen,), values)
        return pooled

    def _box_head(self, index: int, pooled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        name, x = f"heads.boxes.{index}", pooled.flatten(1)
        for layer in range(self.config.heads.box_fcs):
            x = F.relu_(self._linear(f"{name}.hidden.{layer}", x))
        return self._linear(f"{name}.predict_classes", x), self._linear(f"{name}.predict_deltas", x)

    def _mask_loss(self, levels: list[torch.Tensor], rois: RoiSamples) -> torch.Tensor:
        rows = np.flatnonzero(rois.truth >= 0)
        chosen = RoiSamples(**{name: getattr(rois, name)[rows] for name in RoiSamples.__dataclass_fields__})
        x = self._pooled(levels, chosen, self.put(chosen.boxes), MASK_BINS)
        for layer in range(self.config.heads.mask_convs):
            x = F.relu_(self.conv(f"heads.masks.0.convs.{layer}", x))
        x = F.relu_(self.enlarged("heads.masks.0.enlarge", x))
        labels = self.put(chosen.labels)
        weights = self.weights["heads.masks.0.predict.weight"][labels]
        bias = self.weights["heads.masks.0.predict.bias"][labels]
        logits = torch.einsum("nchw,nc->nhw", x, weights) + bias[:, None, None]
        masks = [
            self._truths[image].masks[truth]
            for image, truth in zip(chosen.image_index, chosen.truth, strict=True)
        ]
        targets = self.put(mask_targets(masks, chosen.boxes, MASK_SIZE))
        return F.binary_cross_entropy_with_logits(logits, targets)

    def _linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])


def _decoded(deltas: torch.Tensor, boxes: torch.Tensor, stds: tuple[float, ...]) -> torch.Tensor:
    """Boxes (n, 4) from deltas (n, 4) relative to boxes (n, 4)."""
    centers, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    scaled = deltas * deltas.new_tensor(stds)
    centers = centers + scaled[:, :2] * sides
    half = 0.5 * sides * scaled[:, 2:].clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).exp()
    return torch.cat([centers - half, centers + half], dim=1)
