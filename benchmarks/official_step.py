"""The pretraining step as the authors' released code computes it, in stock Jittor operators, for timing.

Unlike our step, it projects all tokens of base and head to all prototypes, in student and teacher; stores
attention matrices; clips gradients tensor by tensor and reads two values back for each; uses Jittor's own
operators for the moving average and AdamW, one tensor at a time; and reads five loss values back and collects
memory in every step. The masks do hide patches here, at no cost, so that both programs compute the same
losses.
"""

from pathlib import Path

import jittor as jt
import numpy as np
from jittor import nn
from safetensors.numpy import load_file

from benchmarks.step_inputs import WEIGHTS, distance_from, drawn_drop_path
from benchmarks.timed_step import TimedStep
from pipeline.optim.param_groups import decays
from pipeline.pretrain.batch import Batch

Weights = dict[str, jt.Var]


class OfficialStep(TimedStep):
    """See `our_step.OurStep` for the arguments; the initial weights are read from `folder`."""

    def __init__(self, parameters: dict, folder: Path):
        super().__init__(parameters)
        self.number = 0
        arrays = load_file(folder / WEIGHTS)
        self.student = {name: jt.array(_to_jittor(name, array)) for name, array in arrays.items()}
        self.teacher = {name: jt.array(_to_jittor(name, array)).stop_grad() for name, array in arrays.items()}
        self.optimizer = self._optimizer(arrays)
        del arrays
        num_prototypes = self.config.projection_head.num_prototypes
        self.centers = (jt.zeros((1, num_prototypes)), jt.zeros((1, 1, num_prototypes)))
        self.check = {}
        for step in range(parameters.get("checked", 2)):
            self.check[f"loss of step {step + 1}"] = self._step()
        for name, weights in (("student", self.student), ("teacher", self.teacher)):
            arrays = ((key, _from_jittor(key, weight.numpy())) for key, weight in weights.items())
            self.check[f"{name}'s distance"] = distance_from(folder / WEIGHTS, arrays)

    def _wait(self) -> None:
        jt.sync_all(True)

    def _optimizer(self, arrays: dict[str, np.ndarray]) -> jt.optim.AdamW:
        groups = {True: [], False: []}
        for name, parameter in self.student.items():
            groups[decays(name, arrays[name].shape)].append(parameter)
        decay = self.rates.weight_decay
        return jt.optim.AdamW(
            [{"params": groups[True], "weight_decay": decay}, {"params": groups[False], "weight_decay": 0.0}],
            lr=self.rates.lr,
        )

    def _step(self) -> float:
        batch = self.batches[self.number % len(self.batches)]
        terms = self._terms(batch)
        self.optimizer.zero_grad()
        self.optimizer.backward(terms["total"])
        for parameter in self.student.values():
            self._clip(parameter.opt_grad(self.optimizer))
        self.optimizer.step()
        momentum = self.rates.ema_momentum
        for name, target in self.teacher.items():
            target.assign((target * momentum + self.student[name].detach() * (1 - momentum)).stop_grad())
        values = {name: term.item() for name, term in terms.items()}
        jt.sync_all()
        jt.gc()
        self.number += 1
        return values["total"]

    def _clip(self, gradient: jt.Var) -> None:
        norm = (gradient * gradient).sum().sqrt()
        factor = self.config.schedule.max_gradient_norm / (norm + 1e-6)
        norm.item()
        if factor.item() < 1:
            gradient.assign(gradient * factor)

    def _terms(self, batch: Batch) -> dict[str, jt.Var]:
        config, objective, rates = self.config, self.config.objective, self.rates
        views, images = batch.masks.shape[:2]
        pixels = jt.array(batch.global_crops.reshape(views * images, *batch.global_crops.shape[2:]))
        mask = batch.masks.reshape(views * images, -1)
        with jt.no_grad():
            base, head = self._outputs(self.teacher, pixels, None, None)
        paths = [jt.array(scales) for scales in drawn_drop_path(config, batch, self.number)]
        seen_base, seen_head = self._outputs(self.student, pixels, jt.array(mask), paths)
        temperature = objective.student_temperature
        cls_target = nn.softmax((head[:, 0] - self.centers[0]) / rates.teacher_temperature, dim=-1)
        patch_target = nn.softmax((base[:, 1:] - self.centers[1]) / rates.patch_temperature, dim=-1)
        het, own, patch = [], [], []
        for taught in range(views):
            here = slice(taught * images, (taught + 1) * images)
            for seen in range(views):
                there = slice(seen * images, (seen + 1) * images)
                if seen == taught:
                    each = _cross_entropy(patch_target[here], seen_base[there, 1:], temperature)
                    hidden = jt.array(mask[here].astype(np.float32))
                    counts = jt.array(np.maximum(mask[here].sum(axis=1), 1).astype(np.float32))
                    patch.append(((each * hidden).sum(dim=-1) / counts).sum() / images)
                else:
                    target = cls_target[here]
                    het.append(_cross_entropy(target, seen_base[there, 0], temperature).sum() / images)
                    own.append(_cross_entropy(target, seen_head[there, 0], temperature).sum() / images)
        self._move_centers(head[:, 0], base[:, 1:])
        terms = {"het": sum(het) / len(het), "aux": sum(own) / len(own), "mim": sum(patch) / len(patch)}
        terms["cls"] = 0.5 * objective.cls_weight * (terms["het"] + terms["aux"])
        terms["total"] = terms["cls"] + objective.patch_weight * terms["mim"]
        return terms

    def _move_centers(self, cls_logits: jt.Var, patch_logits: jt.Var) -> None:
        objective = self.config.objective
        cls_mean = cls_logits.sum(dim=0, keepdims=True) / cls_logits.shape[0]
        count = patch_logits.shape[0] * patch_logits.shape[1]
        patch_mean = patch_logits.reshape(1, count, -1).sum(dim=1, keepdims=True) / count
        kept, patch_kept = objective.center_momentum, objective.patch_center_momentum
        self.centers = (
            (self.centers[0] * kept + cls_mean * (1 - kept)).stop_grad(),
            (self.centers[1] * patch_kept + patch_mean * (1 - patch_kept)).stop_grad(),
        )

    def _outputs(
        self, weights: Weights, images: jt.Var, mask: jt.Var | None, paths: list[jt.Var] | None
    ) -> tuple[jt.Var, jt.Var]:
        """Logits of every token of base and head, (C, 1 + N, K) each."""
        config = self.config
        crops, _, side, _ = images.shape
        grid = side // config.backbone.patch_size
        kernel = weights["backbone.patch_embed.weight"].reshape(
            -1, 3, config.backbone.patch_size, config.backbone.patch_size
        )
        bias = weights["backbone.patch_embed.bias"]
        x = nn.conv2d(images, kernel, bias, stride=config.backbone.patch_size)
        x = x.reshape(crops, -1, grid * grid).permute(0, 2, 1)
        if mask is not None:
            x = jt.where(mask.unsqueeze(-1), weights["backbone.mask_token"].unsqueeze(0), x)
        cls_token = weights["backbone.cls_token"].unsqueeze(0).expand(crops, 1, -1)
        x = jt.concat([cls_token, x], dim=1) + weights["backbone.pos_embed"].unsqueeze(0)
        for index in range(config.backbone.depth):
            scales = paths[0][index].reshape(2, -1, 1, 1) if paths else (1.0, 1.0)
            x = self._block(weights, f"backbone.blocks.{index}", x, scales)
        y = x[:, 1:].permute(0, 2, 1).reshape(crops, -1, grid, grid)
        for index in range(config.auxiliary_head.depth):
            scale = paths[1][index].reshape(-1, 1, 1, 1) if paths else 1.0
            branch = self._convnext(weights, f"auxiliary_head.blocks.{index}", y)
            y = y + branch * scale if config.auxiliary_head.shortcuts[index] else branch
        tokens = y.reshape(crops, -1, grid * grid).permute(0, 2, 1)
        tokens = jt.concat([tokens.sum(dim=1, keepdims=True) / tokens.shape[1], tokens], dim=1)
        base, head = (
            _norm(weights, "backbone.norm", x, 1e-6),
            _norm(weights, "auxiliary_head.norm", tokens, 1e-6),
        )
        return self._logits(weights, "base", base), self._logits(weights, "auxiliary", head)

    def _block(self, weights: Weights, name: str, x: jt.Var, scales) -> jt.Var:
        crops, tokens, width = x.shape
        heads = self.config.backbone.num_heads
        qkv = _linear(weights, f"{name}.attention.qkv", _norm(weights, f"{name}.norm_attention", x, 1e-6))
        query, key, value = qkv.reshape(crops, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        attention = nn.softmax(jt.matmul(query, key.transpose(-1, -2)) * (width // heads) ** -0.5, dim=-1)
        mixed = jt.matmul(attention, value).permute(0, 2, 1, 3).reshape(crops, tokens, width)
        x = x + _linear(weights, f"{name}.attention.out", mixed) * scales[0]
        return x + _mlp(weights, f"{name}.mlp", _norm(weights, f"{name}.norm_mlp", x, 1e-6)) * scales[1]

    def _convnext(self, weights: Weights, name: str, y: jt.Var) -> jt.Var:
        """y (C, D, h, w)."""
        kernel = weights[f"{name}.conv.weight"]
        half = kernel.shape[-1] // 2
        z = nn.conv2d(y, kernel, weights[f"{name}.conv.bias"], padding=half, groups=y.shape[1])
        z = _norm(weights, f"{name}.norm", z.permute(0, 2, 3, 1), 1e-5)
        return _mlp(weights, f"{name}.mlp", z).permute(0, 3, 1, 2)

    def _logits(self, weights: Weights, part: str, x: jt.Var) -> jt.Var:
        for index in range(self.config.projection_head.num_layers - 1):
            x = nn.gelu(_linear(weights, f"projection_head.{part}.hidden.{index}", x))
        x = jt.normalize(_linear(weights, f"projection_head.{part}.bottleneck", x), dim=-1)
        return nn.linear(x, jt.normalize(weights["projection_head.prototypes"], dim=-1))


def _to_jittor(name: str, array: np.ndarray) -> np.ndarray:
    """Depthwise kernels (k, k, D) -> (D, 1, k, k); other arrays unchanged."""
    return array.transpose(2, 0, 1)[:, None].copy() if name.endswith("conv.weight") else array


def _from_jittor(name: str, array: np.ndarray) -> np.ndarray:
    """Inverse of `_to_jittor`."""
    return array[:, 0].transpose(1, 2, 0) if name.endswith("conv.weight") else array


def _linear(weights: Weights, name: str, x: jt.Var) -> jt.Var:
    return nn.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _mlp(weights: Weights, name: str, x: jt.Var) -> jt.Var:
    return _linear(weights, f"{name}.contract", nn.gelu(_linear(weights, f"{name}.expand", x)))


def _norm(weights: Weights, name: str, x: jt.Var, eps: float) -> jt.Var:
    return nn.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps)


def _cross_entropy(target: jt.Var, logits: jt.Var, temperature: float) -> jt.Var:
    return -(target * nn.log_softmax(logits / temperature, dim=-1)).sum(dim=-1)
