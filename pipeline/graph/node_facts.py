"""Facts about a node for estimates of cost: its base, the images that it reads, its device."""

from functools import cache

from pipeline.config.backbone import BackboneConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.config.weights import ForeignConfig
from pipeline.costs.forecast import Images, drawn_images
from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import Node
from pipeline.runtime.cuda.cards import installed_driver
from pipeline.storage.files import read_json
from pipeline.weights.error import WeightsError


def images_of(graph: Graph, node: Node) -> Images | None:
    """Counts of the images, or their features, that a node reads; `train` counts those with labels."""
    data = node.inputs.get("data")
    if data is None and "features" in node.inputs:
        data = node.inputs["features"].inputs["data"]
    images = None if data is None else prepared_images(graph, data)
    if images is None or "labels" not in node.inputs:
        return images
    labelled = round(node.inputs["labels"].config.share * images.train)
    return Images(labelled, images.val, images.test, images.num_classes)


def prepared_images(graph: Graph, data: Node) -> Images | None:
    """Counts of the images as prepared, or as they will be drawn; None if not known yet."""
    try:
        directory = graph.directory(data)
        summary = read_json(directory / "summary.json") if directory else None
    except (OSError, ValueError):
        summary = None
    if summary is None:
        # Not at the top, because it loads NumPy, without which commands with nothing to do start faster.
        from pipeline.datasets.photo_scenes.sources import PHOTOGRAPHS

        return drawn_images(data.config, len(PHOTOGRAPHS))
    return Images(**summary["counts"], num_classes=len(summary["class_names"]))


def backbone_of(node: Node) -> BackboneConfig | None:
    """The base that a node trains or reads, from its own settings, upstream, or another project's file.

    None if it has none, or if the file cannot be converted, which the conversion will report.
    """
    while not hasattr(node.config, "backbone"):
        if isinstance(node.config, ForeignConfig):
            return _base_of_file(node.config)
        node = node.inputs.get("backbone") or node.inputs.get("features")
        if node is None:
            return None
    return node.config.backbone


@cache
def _base_of_file(config: ForeignConfig) -> BackboneConfig | None:
    """The base according to the shapes in the file; its numbers are not read."""
    try:
        from pipeline.weights.foreign import read_foreign  # likewise

        return read_foreign(config, numbers=False).config
    except WeightsError:
        return None


def on_processor(runtime: RuntimeConfig) -> bool:
    """Whether Jittor will compute on the processor."""
    if runtime.device != "auto":
        return runtime.device == "cpu"
    driver = installed_driver()
    return driver is None or not driver.cards
