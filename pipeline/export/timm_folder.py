"""Writes a folder that timm reads, and transformers through its wrapper of timm."""

from pathlib import Path

from pipeline.export.card import write_card
from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.export.layouts import timm_base
from pipeline.export.safetensors_state import write_state
from pipeline.storage.files import write_json

_USE = """\
import timm
model = timm.create_model("local-dir:{folder}", pretrained=True)  # timm's own mean and std would be others

from transformers import AutoImageProcessor, AutoModel  # the same folder, where timm is installed too
model, processor = AutoModel.from_pretrained("{folder}"), AutoImageProcessor.from_pretrained("{folder}")"""


def write_timm(base: DescribedBase, folder: Path) -> tuple[str, ...]:
    """Write model.safetensors, config.json and README.md.

    Raises:
        ExportError: no network that a file can request from timm computes the same.
    """
    timm = timm_base(base.config, base.arrays)
    if timm.group_channels is not None:
        raise ExportError(
            f"a {base.config.kind} of this project has group norm of {timm.group_channels} channels a group, "
            "which config.json cannot ask timm for; format=torch writes it for a network built in code"
        )
    write_state(folder / "model.safetensors", timm.arrays)
    size = base.config.image_size
    write_json(
        folder / "config.json",
        {
            "architecture": timm.architecture,
            "num_classes": 0,
            "num_features": base.config.dim,
            "global_pool": timm.pool,
            "model_args": timm.arguments,
            "pretrained_cfg": {
                "input_size": [3, size, size],
                "num_classes": 0,
                "interpolation": "bicubic",
                "crop_pct": base.crop_share,
                "crop_mode": "center",
                "mean": base.mean.tolist(),
                "std": base.std.tolist(),
            },
        },
    )
    write_card(folder, base, library="timm", use=_USE)
    return timm.notes
