"""Writes scaling.md: measured growth, and extrapolation by arithmetic."""

from pathlib import Path

from tabulate import tabulate

from benchmarks.growth import Axis, Point, fitted_exponent
from benchmarks.imagenet_cost import (
    EIGHT_GPUS_EFFICIENCY,
    EPOCHS,
    GPU_PEAK_TFLOPS,
    GPU_SHARE,
    IMAGENET_IMAGES,
    imagenet_cost,
)
from pipeline.storage.files import write_text

NAME = "scaling.md"
_DAY = 86_400


def write_growth(
    folder: Path, found: list[tuple[Axis, list[Point]]], machine: dict[str, str], cpu_gflops: float | None
) -> None:
    """Write scaling.md, whole or not at all.

    Args:
        cpu_gflops: speed of a pretraining step of ViT-S/16 on this machine; None: not measured.
    """
    write_text(folder / NAME, "\n".join([*_measured(found, machine), *_imagenet(cpu_gflops)]) + "\n")


def _measured(found: list[tuple[Axis, list[Point]]], machine: dict[str, str]) -> list[str]:
    rows = []
    for axis, points in found:
        values = [point.value for point in points]
        rows.append([
            axis.quantity,
            ", ".join(map(str, values)),
            ", ".join(f"{point.seconds:.3g}" for point in points),
            f"{fitted_exponent(values, [point.seconds for point in points]):.2f}",
            ", ".join(f"{point.mib:.0f}" for point in points),
            f"{fitted_exponent(values, [max(point.mib, 1.0) for point in points]):.2f}",
            f"{2**20 * (points[-1].mib - points[0].mib) / (values[-1] - values[0]):,.0f}",
            axis.description,
        ])  # fmt: skip
    headers = (
        "grows", "values", "seconds", "exponent", "MiB", "exponent of MiB", "bytes for one more",
        "measured on",
    )  # fmt: skip
    return [
        "# Growth",
        "",
        *[f"- {name}: {text}" for name, text in machine.items()],
        "",
        tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True),
        "",
        "Medians of short runs; exponent b of the power law value^b that is nearest in logarithms. Below 1,",
        "a part does not grow. MiB: the peak beside what the process held before it built anything.",
    ]


def _imagenet(cpu_gflops: float | None) -> list[str]:
    costs = [imagenet_cost(size, local, cpu_gflops) for size in ("small", "base") for local in (0, 6)]
    rows = [
        [
            f"ViT-{cost.size[0].upper()}/16, 2 x 224 px"
            + (f" + {cost.num_local} x 96 px" if cost.num_local else ""),
            f"{cost.operations:.2e}",
            "not measured" if cost.cpu_seconds is None else _days(cost.cpu_seconds),
            _days(cost.gpu_seconds),
            _days(cost.eight_gpus_seconds),
        ]
        for cost in costs
    ]
    headers = ("pretraining", "operations", "this CPU", "one GPU", "eight GPUs")
    rate = "was not measured" if cpu_gflops is None else f"{cpu_gflops:.0f} GFLOP/s"
    return [
        "",
        f"## ImageNet-1K, {IMAGENET_IMAGES:,} images, {EPOCHS} epochs, ConvNeXt head of three blocks",
        "",
        tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True),
        "",
        "Arithmetic, not runs. Operations as counted in `pipeline/costs/`. Assumed:",
        "",
        f"- this CPU: the rate of the measured ViT-S/16 step ({rate}), also for other sizes",
        f"- a GPU: an NVIDIA A100 at {GPU_SHARE:.0%} of its {GPU_PEAK_TFLOPS:.0f} TFLOP/s in bf16",
        f"- eight GPUs: {EIGHT_GPUS_EFFICIENCY:.0%} of eight times one; this project runs on one device only",
        "- data are never waited for",
    ]


def _days(seconds: float) -> str:
    return f"{seconds / _DAY:.1f} days" if seconds < 1000 * _DAY else f"{seconds / _DAY / 365.25:.1f} years"
