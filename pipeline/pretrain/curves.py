"""The loss picture of a run."""

import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure

from pipeline.files import replacing

_TERMS = {
    "loss": "total",
    "loss_base_cls": "base CLS",
    "loss_auxiliary_cls": "auxiliary CLS",
    "loss_base_patch": "base patches",
}


def draw_curves(path: Path, metrics: list[dict[str, float]], num_prototypes: int) -> None:
    """Loss terms, teacher entropies and feature spread over steps, as a PNG of 1200 x 400 px."""
    figure = Figure(figsize=(12, 4), dpi=100, layout="constrained")
    losses, entropies, spread = figure.subplots(1, 3)
    steps = [line["step"] for line in metrics]
    for key, label in _TERMS.items():
        if metrics and key in metrics[0]:
            losses.plot(steps, [line[key] for line in metrics], label=label)
    losses.set(title="Loss", xlabel="step", ylabel="nats")
    entropies.plot(steps, [line["teacher_entropy"] for line in metrics], label="of one image")
    entropies.plot(steps, [line["prototype_entropy"] for line in metrics], label="of the batch's mean")
    entropies.axhline(math.log(num_prototypes), color="grey", linestyle=":", label="ln K (flat)")
    entropies.set(title="Teacher entropy", xlabel="step", ylabel="nats", ylim=(0, None))
    spread.plot(steps, [line["feature_spread"] for line in metrics])
    spread.set(title="Feature spread (0 = collapsed)", xlabel="step", ylim=(0, 1.05))
    for axes in (losses, entropies):
        axes.legend()
    for axes in (losses, entropies, spread):
        axes.grid(alpha=0.3)
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
