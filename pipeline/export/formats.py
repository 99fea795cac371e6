"""The formats in which bases and fine-tuned networks are exported; each is a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.export.described_base import DescribedBase
from pipeline.export.hugging_face_folder import write_hugging_face
from pipeline.export.model_description import TunedModel
from pipeline.export.model_files import write_onnx_model, write_torch_model
from pipeline.export.onnx.base_file import write_onnx
from pipeline.export.state_files import write_jittor, write_torch
from pipeline.export.timm_folder import write_timm


@dataclass(frozen=True)
class Format:
    """One format."""

    write: Callable[[DescribedBase, Path], tuple[str, ...]]  # into an empty folder; returns remarks to print
    needs: str | None = None  # the package required to write it


@dataclass(frozen=True)
class ModelFormat:
    """One format of fine-tuned networks."""

    write: Callable[[TunedModel, Path], tuple[str, ...]]
    needs: str | None = None


MODEL_FORMATS: dict[str, ModelFormat] = {
    "torch": ModelFormat(write_torch_model),
    "onnx": ModelFormat(write_onnx_model, needs="onnx"),
}


def has_normed_patches(form: str, kind: str) -> bool:
    """Whether readers of a format take the last map after the final norm; all but ONNX follow timm."""
    return form == "onnx" or kind != "convnext"


FORMATS: dict[str, Format] = {
    "timm": Format(write_timm),
    "torch": Format(write_torch, needs="torch"),
    "hf": Format(write_hugging_face),
    "onnx": Format(write_onnx, needs="onnx"),
    "jittor": Format(write_jittor),
}
