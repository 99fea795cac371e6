"""The course of every training's loss so far, from its log."""

from dataclasses import dataclass

from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import Node
from pipeline.training.metrics_log import METRICS, read_metrics


@dataclass(frozen=True)
class LossCourse:
    """What a training has logged."""

    label: str
    step: int  # of the last value
    values: list[float]


def loss_courses(graph: Graph, nodes: list[Node]) -> list[LossCourse]:
    """Of those of `nodes` that have logged a loss, in their order."""
    courses = []
    for node in nodes:
        directory = graph.directory(node)
        lines = [line for line in read_metrics(directory / METRICS) if "loss" in line] if directory else []
        if lines:
            courses.append(LossCourse(node.label, int(lines[-1]["step"]), [line["loss"] for line in lines]))
    return courses
