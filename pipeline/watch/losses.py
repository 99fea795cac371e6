"""Loss curves of all trainings so far, from their logs."""

from dataclasses import dataclass

from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import Node
from pipeline.training.metrics_log import METRICS, read_metrics


@dataclass(frozen=True)
class LossCurve:
    """The losses that a training has logged."""

    label: str
    step: int  # of the last value
    values: list[float]


def loss_curves(graph: Graph, nodes: list[Node]) -> list[LossCurve]:
    """The curves of those `nodes` that have logged a loss, in their order."""
    curves = []
    for node in nodes:
        directory = graph.directory(node)
        lines = [line for line in read_metrics(directory / METRICS) if "loss" in line] if directory else []
        if lines:
            curves.append(LossCurve(node.label, int(lines[-1]["step"]), [line["loss"] for line in lines]))
    return curves
