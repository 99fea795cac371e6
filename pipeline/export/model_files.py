"""A fine-tuned network in the formats that it is exported in; each is a folder."""

import shutil
from pathlib import Path

from pipeline.export.error import ExportError
from pipeline.export.model_card import write_model_card
from pipeline.export.model_description import TunedModel
from pipeline.export.onnx.base_file import check_size, statistics
from pipeline.export.onnx.graph import OPSET, Graph
from pipeline.export.safetensors_state import write_state
from pipeline.storage.files import write_json

STATE_FILE, ONNX_FILE, NETWORK_FILE = "model.safetensors", "model.onnx", "network.py"
_OF_A_DETECTOR = (
    "format=onnx writes classifiers and segmenters: a detector lets each image keep another number of "
    "proposals and of boxes of every class between its networks, and ONNX's NonMaxSuppression and RoiAlign "
    "do not promise which of equal scores stays; format=torch writes its state"
)


def write_torch_model(model: TunedModel, folder: Path) -> tuple[str, ...]:
    """Write model.safetensors, config.json, README.md and, of what PyTorch can run by it, network.py."""
    write_state(folder / STATE_FILE, model.arrays)
    write_json(
        folder / "config.json",
        {
            "task": model.task,
            "architecture": model.architecture.model_dump(mode="json"),
            "settings": model.config.model_dump(mode="json"),
            "class_names": model.class_names,
            "mean": model.mean.tolist(),
            "std": model.std.tolist(),
            "multiple": model.multiple,
        },
    )
    write_model_card(folder, model)
    if model.task == "detect":
        return ("state alone: network.py is written of classifiers and segmenters",)
    shutil.copyfile(Path(__file__).with_name("network_in_torch.py"), folder / NETWORK_FILE)
    return ()


def write_onnx_model(model: TunedModel, folder: Path) -> tuple[str, ...]:
    """Write model.onnx and README.md.

    Raises:
        ExportError: the model is a detector, or too large for one file.
    """
    from pipeline.export.onnx.heads import add_classifier, add_segmenter  # load Jittor

    if model.task == "detect":
        raise ExportError(_OF_A_DETECTOR)
    graph, num_classes, size = Graph(model.arrays), len(model.class_names), model.size
    add = {"classify": add_classifier, "segment": add_segmenter}[model.task]
    graph.add("Identity", add(graph, model), output="logits")
    places = (size, size) if model.task == "segment" else ()
    check_size(graph)
    properties = statistics(model.mean, model.std) | {"classes": "\n".join(model.class_names)}
    written = graph.model(size, {"logits": ("batch", num_classes, *places)}, properties)
    (folder / ONNX_FILE).write_bytes(written)
    write_model_card(folder, model, onnx=True)
    return (f"opset {OPSET}, any batch, images of {size} px",)
