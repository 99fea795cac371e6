"""Writes a fine-tuned network in its export formats; each is a folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline.export.model_card import write_model_card
from pipeline.export.model_description import TunedModel
from pipeline.export.onnx.base_file import check_size, statistics
from pipeline.export.onnx.graph import OPSET, Graph
from pipeline.export.safetensors_state import write_state
from pipeline.storage.files import write_json

STATE_FILE, ONNX_FILE, NETWORK_FILE = "model.safetensors", "model.onnx", "network.py"


def write_torch_model(model: TunedModel, folder: Path) -> tuple[str, ...]:
    """Write model.safetensors, config.json, README.md and, if PyTorch can run the network, network.py."""
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
        ExportError: the model is too large for one file.
    """
    write = _onnx_detector if model.task == "detect" else _onnx_of_logits
    graph, content, notes = write(Graph(model.arrays), model)
    check_size(graph)
    (folder / ONNX_FILE).write_bytes(content())
    write_model_card(folder, model, onnx=True)
    return (f"opset {OPSET}, {notes}",)


def _properties(model: TunedModel) -> dict[str, str]:
    return statistics(model.mean, model.std) | {"classes": "\n".join(model.class_names)}


def _onnx_of_logits(graph: Graph, model: TunedModel) -> tuple[Graph, Callable[[], bytes], str]:
    from pipeline.export.onnx.heads import add_classifier, add_segmenter  # load Jittor

    num_classes, size = len(model.class_names), model.size
    add = {"classify": add_classifier, "segment": add_segmenter}[model.task]
    graph.add("Identity", add(graph, model), output="logits")
    map_size = (size, size) if model.task == "segment" else ()
    shapes = {"logits": ("batch", num_classes, *map_size)}
    return (
        graph,
        lambda: graph.model(size, shapes, _properties(model)),
        f"any batch, images of {size} px",
    )


def _onnx_detector(graph: Graph, model: TunedModel) -> tuple[Graph, Callable[[], bytes], str]:
    from pipeline.export.onnx.detector import add_detector  # loads Jittor

    outputs = add_detector(graph, model)
    for name, (value, _, _) in outputs.items():
        graph.add("Identity", value, output=name)

    def content() -> bytes:
        return graph.model(
            model.size,
            {name: shape for name, (_, shape, _) in outputs.items()},
            _properties(model),
            batch=1,
            inputs={"size": (2,)},
            types={name: kind for name, (_, _, kind) in outputs.items()},
        )

    return graph, content, f"one image at a time, padded to {model.size} x {model.size} px"
