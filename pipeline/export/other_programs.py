"""Runs other projects' own code on an exported folder.

Shapes: B images of S pixels, h x h positions of the last map, D channels. Every function here takes the
folder, the base and pixels (B, 3, S, S) float32 in [0, 1], and normalises them as the files say, so that a
wrong mean shows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.export.layouts import timm_base
from pipeline.export.onnx.base_file import ONNX_FILE
from pipeline.export.state_files import JITTOR_FILE, TORCH_FILE

Vectors = tuple[np.ndarray, np.ndarray]  # global vectors (B, D), patches (B, h, h, D)


@dataclass(frozen=True)
class OtherProgram:
    """A program that reads a format."""

    name: str
    packages: tuple[str, ...]  # the program's own first
    compute: Callable[[Path, DescribedBase, np.ndarray], Vectors]


def through_timm(folder: Path, base: DescribedBase, pixels: np.ndarray) -> Vectors:
    """By `create_model("local-dir:...")`."""
    import timm

    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    settings = model.pretrained_cfg
    return _timm_vectors(model, _normalised(pixels, settings["mean"], settings["std"]))


def through_timm_wrapper(folder: Path, base: DescribedBase, pixels: np.ndarray) -> Vectors:
    """The same folder, by AutoModel and AutoImageProcessor."""
    from transformers import AutoImageProcessor, AutoModel

    settings = AutoImageProcessor.from_pretrained(folder).data_config
    model = AutoModel.from_pretrained(folder).timm_model
    return _timm_vectors(model, _normalised(pixels, settings["mean"], settings["std"]))


def through_transformers(folder: Path, base: DescribedBase, pixels: np.ndarray) -> Vectors:
    """Hugging Face's own model of the kind."""
    import torch
    from transformers import AutoImageProcessor, AutoModel

    processor = AutoImageProcessor.from_pretrained(folder)
    arguments = {"add_pooling_layer": False} if base.config.kind == "vit" else {}
    model, loaded = AutoModel.from_pretrained(folder, output_loading_info=True, **arguments)
    # It only logs a name that it does not know, and initialises that part at random.
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(map(str, loaded[what])):
            raise ExportError(f"transformers: {what.replace('_', ' ')}: {', '.join(names[:5])}")
    images = torch.from_numpy(_normalised(pixels, processor.image_mean, processor.image_std))
    with torch.inference_mode():
        output = model.eval()(images)
    if base.config.kind == "vit":
        tokens = output.last_hidden_state.numpy()
        return tokens[:, 0], _on_grid(tokens[:, 1:])
    patches = output.last_hidden_state
    patches = _on_grid(patches.numpy()) if patches.ndim == 3 else patches.permute(0, 2, 3, 1).numpy()
    return output.pooler_output.flatten(1).numpy(), patches


def through_torch(folder: Path, base: DescribedBase, pixels: np.ndarray) -> Vectors:
    """`torch.load` into a network that timm builds."""
    import timm as library
    import torch

    timm = timm_base(base.config, base.arrays)
    arguments: dict[str, Any] = dict(timm.arguments)
    if timm.group_channels is not None:
        arguments["norm_layer"] = lambda dim, **given: torch.nn.GroupNorm(
            dim // timm.group_channels, dim, **given
        )
    model = library.create_model(timm.architecture, num_classes=0, **arguments)
    model.load_state_dict(torch.load(folder / TORCH_FILE, weights_only=True))
    return _timm_vectors(model, _normalised(pixels, base.mean, base.std))


def through_onnxruntime(folder: Path, base: DescribedBase, pixels: np.ndarray) -> Vectors:
    """Each image in its own batch, then all in one, because the batch size is free."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / ONNX_FILE, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    mean, std = ([float(number) for number in metadata[name].split()] for name in ("mean", "std"))
    images = _normalised(pixels, mean, std)
    cls, patches = session.run(["cls", "patches"], {"images": images})
    first, _ = session.run(["cls", "patches"], {"images": images[:1]})
    if np.abs(first - cls[:1]).max() > 1e-5:
        raise ExportError("onnxruntime: an image alone has other features than among others")
    return cls, patches


def check_jittor(folder: Path, base: DescribedBase) -> None:
    """Check that `jittor.load` gives every number as written.

    Raises:
        ExportError: it does not.
    """
    import jittor

    written, found = timm_base(base.config, base.arrays).arrays, jittor.load(str(folder / JITTOR_FILE))
    if written.keys() != found.keys() or any(
        not np.array_equal(written[name], np.asarray(found[name])) for name in written
    ):
        raise ExportError(f"{JITTOR_FILE}: jittor.load gives other numbers than were written")


OTHER_PROGRAMS: dict[str, tuple[OtherProgram, ...]] = {  # by format
    "timm": (
        OtherProgram("timm", ("timm", "torch"), through_timm),
        OtherProgram("transformers (TimmWrapper)", ("transformers", "timm", "torch"), through_timm_wrapper),
    ),
    "torch": (OtherProgram("torch", ("torch", "timm"), through_torch),),
    "hf": (OtherProgram("transformers", ("transformers", "torch"), through_transformers),),
    "onnx": (OtherProgram("onnxruntime", ("onnxruntime",), through_onnxruntime),),
    "jittor": (),
}


def _normalised(pixels: np.ndarray, mean: Any, std: Any) -> np.ndarray:
    mean, std = (np.asarray(values, np.float32).reshape(1, 3, 1, 1) for values in (mean, std))
    return (pixels - mean) / std


def _timm_vectors(model: Any, images: np.ndarray) -> Vectors:
    import torch

    model.eval()
    with torch.inference_mode():
        patches = model.forward_features(torch.from_numpy(images))
        vectors = model(torch.from_numpy(images)).numpy()
    if patches.ndim == 3:
        return vectors, _on_grid(patches[:, model.num_prefix_tokens :].numpy())
    if getattr(model, "output_fmt", "NCHW") == "NCHW":
        patches = patches.permute(0, 2, 3, 1)
    return vectors, patches.numpy()


def _on_grid(patches: np.ndarray) -> np.ndarray:
    """(B, h h, D) -> (B, h, h, D)."""
    side = round(patches.shape[1] ** 0.5)
    return patches.reshape(len(patches), side, side, -1)
