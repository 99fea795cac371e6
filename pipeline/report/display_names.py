"""Display names of arms, tasks and metrics, for sentences, figures and tables."""

from collections.abc import Iterable, Mapping
from typing import Any

MINUS = "\N{MINUS SIGN}"
_ARMS = {
    "ibot": "iBOT", "hssl": "HSSL", "dino": "DINO", "mocov3": "MoCo v3", "simclr": "SimCLR", "byol": "BYOL",
    "mae": "MAE",
}  # fmt: skip
_TASKS = {"knn": "k-NN", "lost": "LOST", "tokencut": "TokenCut"}
_METRICS = {
    "top1": "top-1", "top5": "top-5", "miou": "mIoU", "ap": "AP", "ap50": "AP50", "ap75": "AP75",
    "map": "mAP", "jaccard": "Jaccard", "corloc": "CorLoc", "cka": "CKA",
}  # fmt: skip


def task_name(line: Mapping[str, Any]) -> str:
    """A line's task, "knn"; with the name of a further data set, "knn on flowers"."""
    return f"{line['task']} on {line['evaluation']}" if line.get("evaluation") else line["task"]


def arm_title(arm: str) -> str:
    """An arm's usual spelling: "hssl-mocov3" is "HSSL-MoCo v3"."""
    return "-".join(_ARMS.get(part, part) for part in arm.split("-"))


def task_title(task: str) -> str:
    """A task from `task_name` in its usual spelling: "k-NN on flowers"."""
    first, dash, rest = task.partition("-")
    name, space, where = first.partition(" ")
    return f"{_TASKS.get(name, name)}{space}{where}{dash}{rest}"


def scored_title(line: Mapping[str, Any]) -> str:
    """Task and metric, "k-NN top-1"."""
    return f"{task_title(task_name(line))} {metric_title(line['metric'])}"


def pair_title(line: Mapping[str, Any]) -> str:
    """The arm minus its baseline, such as "HSSL - iBOT" with a minus sign."""
    return f"{arm_title(line['arm'])} {MINUS} {arm_title(line['baseline'])}"


def metric_title(metric: str) -> str:
    """A metric's usual spelling: "top1" is "top-1", "miou" is "mIoU"."""
    name, underscore, variant = metric.partition("_")
    return f"{_METRICS.get(name, name)}{underscore}{variant}"


def covered(lines: Iterable[Mapping[str, Any]]) -> str:
    """The sources of variation that the intervals of these lines cover, such as "test images"."""
    few = any(line.get("draws") for line in lines)
    return "test images, and over draws of the few training images" if few else "test images"
