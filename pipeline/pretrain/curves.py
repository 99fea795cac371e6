"""The loss picture of a run."""

import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure

from pipeline.storage.files import replacing


def draw_curves(path: Path, metrics: list[dict[str, float]], num_prototypes: int) -> None:
    """Loss terms, teacher entropies and feature spread over steps, as a PNG of 1200 x 400 px.

    A method without prototypes has no entropies; its middle panel shows what it logs instead, if anything.
    """
    figure = Figure(figsize=(12, 4), dpi=100, layout="constrained")
    losses, watched, spread = figure.subplots(1, 3)
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
    for axes in (losses, watched):
        if axes.has_data():
            axes.legend()
    for axes in (losses, watched, spread):
        axes.grid(alpha=0.3)
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
