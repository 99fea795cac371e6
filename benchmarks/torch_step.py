"""The same pretraining step in eager PyTorch, with the same optimisations: the reference to beat."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from benchmarks.step_inputs import WEIGHTS, distance_from, drawn_drop_path
from benchmarks.timed_step import TimedStep
from benchmarks.torch_network import encode, named_arrays, project, prototypes, torch_weights
from benchmarks.torch_training import clip_each, fused_adamw
from pipeline.optim.param_groups import decays
from pipeline.pretrain.batch import Batch


class TorchStep(TimedStep):
    """HSSL with logits of CLS and hidden patches only, and the centre computed from mean vectors.

    It uses fused AdamW, fused attention and foreach operations, and reads no value back. With
    `schedule.precision = "bfloat16"` the forward pass runs under autocast; the losses stay float32. On a GPU
    the crops are uploaded before the step, as in the other program.

    Args:
        parameters: as of `our_step.OurStep`; and `compile`: whether to use `torch.compile`.
        folder: holds the initial weights.
    """

    def __init__(self, parameters: dict, folder: Path):
        super().__init__(parameters)
        self.device = torch.device(parameters.get("device", "cpu"))
        self.batches = [_Inputs(batch, self._put(batch.global_crops)) for batch in self.batches]
        torch.set_float32_matmul_precision("high" if self.config.schedule.precision == "tf32" else "highest")
        self.encode = torch.compile(encode) if parameters.get("compile") else encode
        self.number = 0
        arrays = load_file(folder / WEIGHTS)
        self.student = torch_weights(arrays, trained=True, device=self.device)
        self.teacher = torch_weights(arrays, trained=False, device=self.device)
        del arrays
        self.parameters = list(self.student.values())
        self.optimizer = self._optimizer()
        num_prototypes = self.config.projection_head.num_prototypes
        self.cls_center, self.patch_center = torch.zeros(2, num_prototypes, device=self.device).unbind()
        self.check = {}
        for step in range(parameters.get("checked", 2)):
            self.check[f"loss of step {step + 1}"] = self._step().item()
        for name, weights in (("student", self.student), ("teacher", self.teacher)):
            self.check[f"{name}'s distance"] = distance_from(folder / WEIGHTS, named_arrays(weights))

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)

    def _optimizer(self) -> torch.optim.AdamW:
        decayed = {}
        for name, parameter in self.student.items():
            shape = parameter.shape[1:] if name.endswith("conv.weight") else parameter.shape
            decayed[name] = decays(name, shape)
        rates = self.rates
        return fused_adamw(self.student, decayed, lr=rates.lr, weight_decay=rates.weight_decay)

    def _step(self) -> torch.Tensor:
        inputs = self.batches[self.number % len(self.batches)]
        self.optimizer.zero_grad(set_to_none=True)
        rounded = self.config.schedule.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=rounded):
            loss = self._loss(inputs)
        loss.backward()
        clip_each(self.parameters, self.config.schedule.max_gradient_norm)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.teacher.values()), self.parameters, weight=1 - self.rates.ema_momentum
            )
        self.number += 1
        return loss.detach()

    def _loss(self, inputs: "_Inputs") -> torch.Tensor:
        config, objective, batch = self.config, self.config.objective, inputs.batch
        images = inputs.crops.flatten(0, 1)
        mask = torch.from_numpy(batch.masks).flatten(0, 1).flatten(1)
        hidden = mask.flatten().nonzero()[:, 0]
        per_crop = mask.sum(dim=1).clamp(min=1)
        patch_weights = 1.0 / (per_crop[hidden // mask.shape[1]] * len(mask))
        # Values that the host needs are read before the upload, which avoids a synchronisation.
        mask, hidden, patch_weights = (
            value.to(self.device, non_blocking=True) for value in (mask, hidden, patch_weights)
        )
        cls_probs, patch_probs = self._targets(images, hidden)
        base, auxiliary = drawn_drop_path(config, batch, self.number)
        paths = (
            self._put(base)[..., None, None],
            self._put(auxiliary)[..., None, None, None],
        )
        tokens, head_cls = self.encode(self.student, config, images, mask.unsqueeze(-1), paths)
        unit = prototypes(self.student)
        # Base CLS and hidden patches share one pass through the MLP.
        rows = torch.cat([tokens[:, 0], tokens[:, 1:].flatten(0, 1)[hidden]])
        base_logits = (project(self.student, config, "base", rows) @ unit.T).float()
        head_logits = (project(self.student, config, "auxiliary", head_cls) @ unit.T).float()
        crops = len(images)
        swapped = cls_probs.roll(crops // 2, 0)  # the other view of the same image
        cls = _cross_entropy(base_logits[:crops], swapped, objective.student_temperature).mean()
        head = _cross_entropy(head_logits, swapped, objective.student_temperature).mean()
        patch = _cross_entropy(base_logits[crops:], patch_probs, objective.student_temperature)
        return 0.5 * objective.cls_weight * (cls + head) + objective.patch_weight * (patch @ patch_weights)

    @torch.no_grad()
    def _targets(self, images: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        config, objective, rates = self.config, self.config.objective, self.rates
        tokens, head_cls = self.encode(self.teacher, config, images)
        unit = prototypes(self.teacher)
        cls_logits = (project(self.teacher, config, "auxiliary", head_cls) @ unit.T).float()
        vectors = project(self.teacher, config, "base", tokens[:, 1:].flatten(0, 1))
        patch_logits = (vectors[hidden] @ unit.T).float()
        cls_probs = torch.softmax((cls_logits - self.cls_center) / rates.teacher_temperature, dim=-1)
        patch_probs = torch.softmax((patch_logits - self.patch_center) / rates.patch_temperature, dim=-1)
        self.cls_center.lerp_(cls_logits.mean(dim=0), 1 - objective.center_momentum)
        self.patch_center.lerp_((vectors.mean(dim=0) @ unit.T).float(), 1 - objective.patch_center_momentum)
        return cls_probs, patch_probs


@dataclass(frozen=True)
class _Inputs:
    """A batch whose crops are on the device."""

    batch: Batch
    crops: torch.Tensor


def _cross_entropy(logits: torch.Tensor, target: torch.Tensor, temperature: float) -> torch.Tensor:
    """H(target, softmax(logits / temperature)) of every row, in nats."""
    scaled = logits / temperature
    return torch.logsumexp(scaled, dim=-1) - (target * scaled).sum(dim=-1)
