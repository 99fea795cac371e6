"""Draws the loss curves of a run."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.storage.files import replacing


def draw_curves(path: Path, metrics: list[dict[str, float]], num_prototypes: int) -> None:
    """Draw loss terms, teacher entropies and feature spread over steps, as a PNG of 1200 x 400 px.

    A method without prototypes has no entropies; its middle panel shows its own metrics instead, if any. With
    a monitor, a second row of the same size shows its measures.
    """
    monitored = [line for line in metrics if "monitor_rankme" in line]
    num_rows = 2 if monitored else 1
    figure = Figure(figsize=(12, 4 * num_rows), dpi=100, layout="constrained")
    fields = figure.subplots(num_rows, 3, squeeze=False)
    losses, watched, spread = fields[0]
    steps = [line["step"] for line in metrics]
    keys = list(metrics[0]) if metrics else []
    for key in (key for key in keys if key.split("_")[0] == "loss"):
        label = key.removeprefix("loss_").replace("_", " ") if key != "loss" else "total"
        losses.plot(steps, [line[key] for line in metrics], label=label)
    losses.set(title="Loss", xlabel="step")
    if "teacher_entropy" in keys:
        watched.plot(steps, [line["teacher_entropy"] for line in metrics], label="of one image")
        watched.plot(steps, [line["prototype_entropy"] for line in metrics], label="of the batch's mean")
        watched.axhline(math.log(num_prototypes), color="grey", linestyle=":", label="ln K (flat)")
        watched.set(title="Teacher entropy", xlabel="step", ylabel="nats", ylim=(0, None))
    elif "retrieval" in keys:
        watched.plot(steps, [line["retrieval"] for line in metrics], label="base")
        watched.set(title="Share that finds its other view", xlabel="step", ylim=(0, 1.05))
    else:
        watched.set_axis_off()
    spread.plot(steps, [line["feature_spread"] for line in metrics])
    spread.set(title="Feature spread (0 = collapsed)", xlabel="step", ylim=(0, 1.05))
    if monitored:
        _draw_monitor(fields[1], monitored, watched)
        for axes in fields[1]:
            axes.set_xlim(losses.get_xlim())
    for axes in (losses, watched, *fields[1:].flat):
        if axes.get_legend_handles_labels()[1]:
            axes.legend()
    for axes in fields.flat:
        axes.grid(alpha=0.3)
    with replacing(path) as partial:
        figure.savefig(partial, format="png")


def _draw_monitor(fields: Sequence[Axes], lines: list[dict[str, float]], entropies: Axes) -> None:
    """Draw the monitor's measures into three panels, and its entropy beside the teacher's others."""
    shares, rank, distances = fields
    _points(shares, lines, "monitor_knn_top1", "k-NN top-1")
    _points(shares, lines, "monitor_cka", "1 - CKA of base and head")
    shares.set(title="Monitor: k-NN, 1 - CKA", xlabel="step", ylim=(0, 1.05))
    _points(rank, lines, "monitor_rankme", None)
    rank.set(title="Monitor: RankMe (directions in use)", xlabel="step")
    rank.set_ylim(0, 1.05 * rank.get_ylim()[1])
    _points(distances, lines, "monitor_alignment", "alignment (0 = views agree)")
    _points(distances, lines, "monitor_uniformity", "uniformity (0 = collapsed)")
    distances.set(title="Monitor: alignment, uniformity", xlabel="step")
    _points(entropies, lines, "monitor_teacher_entropy", "of one image, monitor")


def _points(axes: Axes, lines: list[dict[str, float]], key: str, label: str | None) -> None:
    found = [(line["step"], line[key]) for line in lines if key in line]
    if found:
        axes.plot(*zip(*found, strict=True), marker="o", markersize=4, label=label)
