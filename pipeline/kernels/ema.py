"""The teacher's moving average over many tensors: one native call per step."""

import ctypes

import jittor as jt
import numpy as np

from pipeline.kernels import library, selection
from pipeline.kernels.addresses import addresses, pointer
from pipeline.kernels.plain_adamw import replace_value


def ema_update(teacher: list[jt.Var], student: list[jt.Var], momentum: float) -> None:
    """teacher = momentum teacher + (1 - momentum) student, in place, tensor by tensor.

    Raises:
        ValueError: the lists differ in length, a shape differs, or a tensor is its own teacher.
    """
    if len(teacher) != len(student):
        raise ValueError(f"ema_update: {len(teacher)} teacher tensors, {len(student)} student tensors")
    for index, (target, source) in enumerate(zip(teacher, student, strict=True)):
        if target.shape != source.shape or target.dtype != "float32" or source.dtype != "float32":
            found = f"{target.dtype} {tuple(target.shape)}, {source.dtype} {tuple(source.shape)}"
            raise ValueError(f"ema_update: tensor {index}: {found}; expected float32 of one shape")
    if selection.fused():
        _fused_ema(teacher, student, momentum)
    else:
        for target, source in zip(teacher, student, strict=True):
            replace_value(target, (momentum * target + (1.0 - momentum) * source).stop_grad())


def _fused_ema(teacher: list[jt.Var], student: list[jt.Var], momentum: float) -> None:
    jt.sync_all()
    where, keep = addresses([*teacher, *student])
    targets, sources = where[: len(teacher)], where[len(teacher) :]
    if np.intersect1d(targets, sources).size:
        raise ValueError("ema_update: a teacher tensor shares its memory with a student tensor")
    sizes = np.array([target.numel() for target in teacher], dtype=np.int64)
    library.load().function("ema")(
        ctypes.c_long(len(teacher)), *map(pointer, (sizes, targets, sources)), ctypes.c_double(momentum)
    )
    del keep
