"""Writes README.md of an exported fine-tuned network."""

from pathlib import Path

from pipeline.export.model_description import TunedModel
from pipeline.storage.files import write_text

_USE_ONNX = """\
import onnxruntime
session = onnxruntime.InferenceSession("FOLDER/model.onnx")
(logits,) = session.run(["logits"], {"images": images})  # (B, 3, %d, %d) float32, normalised as above"""
_USE_DETECTOR = """\
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession("FOLDER/model.onnx")
# One image: (1, 3, %d, %d) float32, normalised as above, padded with 0 to the right and below; size: its
# height and width without that. boxes (k, 4): x1, y1, x2, y2 in pixels of the resized image; classes count
# from 0.
boxes, scores, classes, *masks = session.run(None, {"images": image, "size": np.array([h, w], np.float32)})
# masks, where the network has them: one array (k, 28, 28), probabilities in the 28 x 28 cells of each box."""
_USE_TORCH = """\
from network import Network  # network.py of this folder: PyTorch and safetensors alone
network = Network("FOLDER")
logits = network(images)  # (B, 3, H, W) float32, normalised as above"""
_USE_STATE = """\
from safetensors.torch import load_file
state = load_file("FOLDER/model.safetensors")"""
_NAMES = {
    "classify": (
        "`pool_norm`: layer norm of the pooled map, with `pooling = \"patches\"`",
        "`predict_classes`: the linear layer",
    ),
    "segment": (
        "`pyramid.enlarge.<level>.<i>`: doublings of a plain base's maps; rows of `deconv.weight` are row of "
        "the 2 x 2 window, column, output channel",
        "`head`: of `linear` its `predict`; of `uper` `pooling`, `laterals`, `smooths`, `fuse`, `predict`; "
        "each convolution with batch norm of eps 1e-5",
        "`auxiliary`: the head that only training uses",
    ),
    "detect": (
        "`pyramid`, `heads`: feature pyramid, `heads.rpn`, `heads.boxes.<stage>`, `heads.masks.<stage>`",
    ),
}  # fmt: skip


def write_model_card(folder: Path, model: TunedModel, *, onnx: bool = False) -> None:
    """Write how the network is loaded, its inputs and outputs, and the names of its arrays."""
    mean, std = (", ".join(f"{value:.6g}" for value in values) for values in (model.mean, model.std))
    if onnx:
        use = (_USE_DETECTOR if model.task == "detect" else _USE_ONNX) % (model.size, model.size)
    else:
        use = _USE_STATE if model.task == "detect" else _USE_TORCH
    square = f"{model.size} x {model.size}"
    seen = "" if onnx else "of any size; "
    if model.task == "classify":
        seen = f"short side to {model.resize} pixels (antialiased bicubic), the central {square}; "
    elif model.task == "detect":
        view = model.config.view
        seen = f"short side to {view.test_short_side} pixels, the long one to at most {view.max_long_side} "
        seen += "(antialiased bilinear); "
    lines = [
        f"# {model.name}",
        "",
        f"Task: {model.task}, {len(model.class_names)} classes: {', '.join(model.class_names)}.",
        "",
        f"Images: {seen}pixels in [0, 1] minus mean ({mean}), divided by std ({std}).",
        "",
        "```python",
        use,
        "```",
        "",
        "Arrays begin with:",
        "",
        f"- `backbone.network`: the base, a {model.architecture.kind}, by this project's names",
        *(f"- {line}" for line in _NAMES[model.task]),
        *(["", "Measured by its experiment:", "", model.table] if model.table else []),
    ]
    write_text(folder / "README.md", "\n".join(lines) + "\n")
