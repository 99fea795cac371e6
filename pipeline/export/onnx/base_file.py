"""Writes a base as one ONNX file."""

from pathlib import Path

from pipeline.export.card import write_card
from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.export.onnx import onnx_base
from pipeline.export.onnx.graph import MAX_BYTES, OPSET, Graph

ONNX_FILE = "backbone.onnx"
_USE = """\
import onnxruntime
session = onnxruntime.InferenceSession("{folder}/backbone.onnx")
cls, patches = session.run(["cls", "patches"], {"images": images})  # (B, 3, S, S), normalised as above"""


def write_onnx(base: DescribedBase, folder: Path) -> tuple[str, ...]:
    """Write backbone.onnx and README.md.

    Raises:
        ExportError: the base is too large for one file.
    """
    config, size, side = base.config, base.config.image_size, base.config.grid[0]
    graph = Graph(base.arrays)
    encoder = onnx_base(graph, config, size)
    vector, patches = encoder.pooled(encoder.blocks("images")[-1])
    graph.add("Identity", vector, output="cls")
    graph.add("Identity", patches, output="patches")
    shapes = {"cls": ("batch", config.dim), "patches": ("batch", side, side, config.dim)}
    check_size(graph)
    (folder / ONNX_FILE).write_bytes(graph.model(size, shapes, statistics(base.mean, base.std)))
    write_card(folder, base, library="onnx", use=_USE)
    return (f"opset {OPSET}, any batch, images of {size} px",)


def check_size(graph: Graph) -> None:
    """Refuse a network that does not fit into one file.

    Raises:
        ExportError: it is too large.
    """
    if sum(array.nbytes for array in graph.stored.values()) > MAX_BYTES:
        raise ExportError("the network is larger than the 2 GiB that one ONNX file holds")


def statistics(mean, std) -> dict[str, str]:
    """Mean and standard deviation of pixels as properties of the file."""
    return {name: " ".join(map(repr, values.tolist())) for name, values in (("mean", mean), ("std", std))}
