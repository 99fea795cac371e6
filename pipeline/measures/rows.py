"""Result rows: measured values of a probe, with the data of their intervals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.measures.draws import DRAWS
from pipeline.measures.floor_rows import array_name
from pipeline.measures.measure import REPLICATES
from pipeline.storage.artifacts import read_stamp
from pipeline.storage.files import read_json

_REQUIRED = {
    "task": str,
    "metric": str,
    "value": (int, float),
    "num_images": int,
    "dataset": str,
    "split": str,
    "protocol": str,
}


@dataclass(frozen=True, eq=False)
class Row:
    """One metric of one probe of one backbone; values are fractions."""

    arm: str
    seed: int
    task: str
    metric: str
    value: float
    num_images: int
    dataset: str
    split: str
    protocol: str
    higher_is_better: bool
    fingerprint: str  # of the probe's artifact
    # At most one of the three: for a mean over images its images, for a mean over draws of the training
    # images too its draws and images, for any other metric its bootstrap replicates.
    correct: np.ndarray | None  # (num_images,) bool
    num_bootstrap: int | None = None  # resamples for the interval of a single seed, with `correct`
    replicates: np.ndarray | None = None  # (R,) the metric on resamples that all arms share
    by_draw: np.ndarray | None = None  # (draws, num_images) bool: right with the training images of each draw
    evaluation: str | None = None  # the further data set; None: the experiment's own images
    is_floor: bool = False  # measured by every arm's probe alike, and listed under its own name


def libraries_of(directory: Path) -> set[str]:
    """Libraries and versions with which an artifact and all its inputs were made, such as "numpy 1.26"."""
    made_with = (read_stamp(directory) or {}).get("made_with", {})
    return {f"{name} {number}" for name, number in made_with.items() if number}


def read_rows(directory: Path, *, arm: str, seed: int, evaluation: str | None = None) -> list[Row]:
    """Rows of one probe's artifact.

    Args:
        evaluation: name of the further data set on which it was measured.

    Raises:
        FileNotFoundError: there is no rows.json or no stamp.
        ValueError: a row lacks a key, has a value of a wrong type, or per-image values of another length.
    """
    path = directory / "rows.json"
    stamp = read_stamp(directory)
    if stamp is None:
        raise FileNotFoundError(f"{directory}: no readable stamp; run its stage again")
    correct = _arrays(directory / "predictions.npz", prefix="correct_")
    replicates, by_draw = _arrays(directory / REPLICATES), _arrays(directory / DRAWS)
    rows = []
    for values in read_json(path):
        _check(path, values)
        floor = values.get("floor")
        name = array_name(values["task"], values["metric"], floor)
        row = Row(
            arm=floor or arm,
            seed=seed,
            fingerprint=stamp["fingerprint"],
            correct=correct.get(values["metric"]),
            num_bootstrap=values.get("num_bootstrap"),
            replicates=replicates.get(name),
            by_draw=by_draw.get(name),
            evaluation=evaluation,
            is_floor=floor is not None,
            higher_is_better=bool(values.get("higher_is_better", True)),
            **{key: values[key] for key in _REQUIRED} | ({"dataset": evaluation} if evaluation else {}),
        )
        if row.correct is not None and row.correct.shape != (row.num_images,):
            raise ValueError(
                f"{directory / 'predictions.npz'}: correct_{row.metric} has shape {row.correct.shape}, "
                f"rows.json says {row.num_images} images"
            )
        if row.correct is not None and not isinstance(row.num_bootstrap, int):
            raise ValueError(
                f"{path}: {row.task} {row.metric} has outcomes per image; row key 'num_bootstrap': "
                f"expected an integer, found {row.num_bootstrap!r}"
            )
        if row.by_draw is not None and row.by_draw.shape[1:] != (row.num_images,):
            raise ValueError(
                f"{directory / DRAWS}: {name} has shape {row.by_draw.shape}, rows.json says {row.num_images} "
                "images"
            )
        rows.append(row)
    return rows


def _check(path: Path, values: Any) -> None:
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a list of objects, found {type(values).__name__}")
    for key, kinds in _REQUIRED.items():
        if not isinstance(values.get(key), kinds):
            raise ValueError(f"{path}: row key {key!r}: expected {kinds}, found {values.get(key)!r}")


def _arrays(path: Path, prefix: str = "") -> dict[str, np.ndarray]:
    """The arrays of a file whose names start with `prefix`, without it; empty if there is no file."""
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return {name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)}
