"""Output files of a dense task: its metrics with their bootstrap replicates, as rows for the tables."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.storage.files import replacing, write_json

REPLICATES = "replicates.npz"


@dataclass(frozen=True)
class TestImages:
    """The images of a measurement."""

    __test__ = False  # tells pytest that this is not a test

    dataset: str
    split: str  # as named by the data set
    num_images: int


@dataclass(frozen=True, eq=False)
class Measure:
    """One metric of one task on the test images."""

    task: str  # "segment-linear-frozen", "detect-box-finetuned", "clusters", ...
    metric: str  # "miou", "ap", ...; a variant has "_" in its name and stays out of the short table
    value: float  # fraction; NaN: an average over nothing
    protocol: str
    images: TestImages
    replicates: np.ndarray | None = None  # (R,) float64: the metric on each of `resamples.resample_counts`


def write_measures(output: Path, measures: list[Measure]) -> None:
    """Write rows.json and replicates.npz; an undefined measure (NaN) gets no row.

    Raises:
        ValueError: a value is infinite, or most of its replicates are not finite.
    """
    known = [measure for measure in measures if not math.isnan(measure.value)]
    write_json(output / "rows.json", [_row(measure) for measure in known])
    with replacing(output / REPLICATES) as partial, open(partial, "wb") as stream:
        np.savez(
            stream,
            **{replicates_key(m.task, m.metric): m.replicates for m in known if m.replicates is not None},
        )


def replicates_key(task: str, metric: str) -> str:
    """Name of an array in replicates.npz."""
    return f"{task} {metric}"


def _row(measure: Measure) -> dict:
    if not math.isfinite(measure.value):
        raise ValueError(f"{measure.task} {measure.metric}: expected a fraction, found {measure.value}")
    if measure.replicates is not None:
        count = np.isfinite(measure.replicates).sum()
        if count < len(measure.replicates) / 2:
            raise ValueError(
                f"{measure.task} {measure.metric}: expected finite replicates, "
                f"found {count} of {len(measure.replicates)}"
            )
    return {
        "task": measure.task,
        "metric": measure.metric,
        "value": float(measure.value),
        "num_images": measure.images.num_images,
        "dataset": measure.images.dataset,
        "split": measure.images.split,
        "protocol": measure.protocol,
        "higher_is_better": True,
    }
