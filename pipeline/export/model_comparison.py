"""Compares an exported fine-tuned network with this project's own outputs, on real images.

Shapes: B images of S x S pixels, K classes.
"""

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np

from pipeline.export.comparison import TOLERANCE, missing, quoted, releases
from pipeline.export.error import ExportError
from pipeline.export.model_description import TunedModel
from pipeline.export.model_files import NETWORK_FILE, ONNX_FILE, STATE_FILE

_NEEDS = {"torch": ("torch", "safetensors"), "onnx": ("onnxruntime",)}


def compared_model(form: str, folder: Path, model: TunedModel, images: np.ndarray, ours: np.ndarray) -> str:
    """Compare the logits of the format's own program with this project's; return a line about it.

    Args:
        images: (B, 3, S, S) float32, normalised.
        ours: logits of this project; not used for a detector.

    Raises:
        ExportError: the files cannot be read, or logits differ by more than `TOLERANCE`.
    """
    if reason := missing(_NEEDS[form]):
        return f"not checked: {reason}"
    try:
        if model.task == "detect":
            return _same_numbers(folder, model)
        theirs = _PROGRAMS[form](folder, images)
    except ExportError:
        raise
    except Exception as error:  # of any kind, since it is another project's code
        raise ExportError(f"{_NEEDS[form][0]} does not read what was written: {quoted(error)}") from error
    if theirs.shape != ours.shape:
        raise ExportError(f"{_NEEDS[form][0]}: logits of shape {theirs.shape}, expected {ours.shape}")
    largest = float(np.abs(theirs - ours).max())
    text = f"{_NEEDS[form][0]}: largest difference of logits {largest:.1e}, which go up to "
    text += f"{np.abs(ours).max():.1f} ({len(images)} images; {releases(_NEEDS[form])})"
    if not largest <= TOLERANCE:
        raise ExportError(f"{text}: more than {TOLERANCE:g}, so nothing is written")
    return text


def _through_torch(folder: Path, images: np.ndarray) -> np.ndarray:
    """Logits by network.py, as written into the folder."""
    import torch

    spec = spec_from_file_location("exported_network", folder / NETWORK_FILE)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Network(folder)(torch.from_numpy(images)).numpy()


def _through_onnxruntime(folder: Path, images: np.ndarray) -> np.ndarray:
    """All images in one batch, then the first alone, because the batch size is free."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / ONNX_FILE, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images})
    (first,) = session.run(["logits"], {"images": images[:1]})
    if np.abs(first - logits[:1]).max() > TOLERANCE:
        raise ExportError("onnxruntime: an image alone has other logits than among others")
    return logits


def _same_numbers(folder: Path, model: TunedModel) -> str:
    from safetensors.torch import load_file

    found = load_file(folder / STATE_FILE)
    if found.keys() != model.arrays.keys() or any(
        not np.array_equal(found[name].numpy(), array) for name, array in model.arrays.items()
    ):
        raise ExportError(f"{STATE_FILE}: PyTorch reads other numbers than were written")
    return (
        f"torch: {len(found)} arrays as they were written ({releases(_NEEDS['torch'])}); "
        "not run there: no network of PyTorch's is written of a detector"
    )


_PROGRAMS: dict[str, Callable[[Path, np.ndarray], np.ndarray]] = {
    "torch": _through_torch,
    "onnx": _through_onnxruntime,
}
