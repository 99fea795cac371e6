"""Output files of a classification repeated over draws of the training images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.measures.labelled_images import LabelledImages
from pipeline.measures.measure import replicates_key
from pipeline.storage.files import replacing, write_json

DRAWS = "draws.npz"


@dataclass(frozen=True, eq=False)
class DrawnMeasure:
    """The accuracy of one task with each draw of the training images."""

    task: str
    correct: np.ndarray  # (draws, n) bool: which test images are classified correctly
    protocol: str


def write_drawn(output: Path, measures: list[DrawnMeasure], test: LabelledImages) -> None:
    """Write rows.json, with the mean over the draws, and draws.npz, for the intervals."""
    write_json(output / "rows.json", [_row(measure, test) for measure in measures])
    with replacing(output / DRAWS) as partial, open(partial, "wb") as stream:
        np.savez(stream, **{replicates_key(each.task, "top1"): each.correct for each in measures})


def _row(measure: DrawnMeasure, test: LabelledImages) -> dict:
    return {
        "task": measure.task,
        "metric": "top1",
        "value": float(measure.correct.mean()),
        "num_images": measure.correct.shape[1],
        "dataset": test.dataset,
        "split": test.split,
        "protocol": measure.protocol,
        "higher_is_better": True,
    }
