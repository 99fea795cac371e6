"""Writes state dictionaries by timm's names, for PyTorch and for Jittor."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.export.card import write_card
from pipeline.export.described_base import DescribedBase
from pipeline.export.layouts import timm_base

TORCH_FILE, JITTOR_FILE = "backbone.pth", "backbone.pkl"
_USE_TORCH = """\
import timm, torch
model = timm.create_model({call})
model.load_state_dict(torch.load("{{folder}}/backbone.pth", weights_only=True))"""
_USE_JITTOR = """\
import jittor
state = jittor.load("{{folder}}/backbone.pkl")  # by the names of timm's {call}"""


def write_torch(base: DescribedBase, folder: Path) -> tuple[str, ...]:
    """Write backbone.pth and README.md, by PyTorch: Jittor refuses to load what it writes under that name."""
    import torch

    def save(state: dict[str, np.ndarray], path: Path) -> None:
        torch.save({name: torch.from_numpy(array) for name, array in state.items()}, path)

    return _write(base, folder, TORCH_FILE, "pytorch", _USE_TORCH, save)


def write_jittor(base: DescribedBase, folder: Path) -> tuple[str, ...]:
    """Write backbone.pkl and README.md."""
    import jittor

    def save(state: dict[str, np.ndarray], path: Path) -> None:
        jittor.save(state, str(path))

    return _write(base, folder, JITTOR_FILE, "jittor", _USE_JITTOR, save)


def _write(
    base: DescribedBase, folder: Path, name: str, library: str, use: str, save: Callable[[dict, Path], None]
) -> tuple[str, ...]:
    timm = timm_base(base.config, base.arrays)
    save({key: np.asarray(array, order="C") for key, array in timm.arrays.items()}, folder / name)
    arguments = "".join(f", {key}={value!r}" for key, value in timm.arguments.items())
    if timm.group_channels is not None:
        groups = timm.group_channels
        norm = f"torch.nn.GroupNorm(dim // {groups}, dim, **given)"
        arguments += f", norm_layer=lambda dim, **given: {norm}"
    call = f'"{timm.architecture}", num_classes=0{arguments}'
    write_card(folder, base, library=library, use=use.format(call=call))
    return timm.notes
