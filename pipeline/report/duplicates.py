"""Duplicate images: equal files, and pictures that look alike; within a part and across parts.

Shapes: n images.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from pipeline.config.duplicates import DuplicatesConfig
from pipeline.datasets.manifest import read_digests
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.neighbours import nearest

DUPLICATES = "duplicates.json"
# What leaks comes first: the part that is scored, and where its image is met before.
_PARTS = [("test", "train"), ("val", "train"), ("test", "val")]
_PARTS += [(part, part) for part in ("train", "val", "test")]
_SIDE = 16  # pixels of the grey pictures that are compared
_LEAST_CONTRAST = 2.0  # standard deviation in grey levels below which a picture shows nothing to compare
_KEPT = 4  # pairs of each kind that are kept to be shown

Found = dict[str, Any]


def find_duplicates(
    dataset: PreparedDataset,
    config: DuplicatesConfig,
    *,
    num_threads: int = 1,
    show: Callable[[Iterable, int], Iterable] = lambda images, total: images,
) -> Found:
    """Equal files of all images, and pictures that look alike of at most `config.max_images`.

    A picture looks like another if their small grey versions correlate, so a copy that was resized, stored
    anew, or made brighter is found; one that was mirrored or cropped is not.

    Args:
        show: takes the small pictures as they are made, and their number; for a progress bar.

    Returns:
        For JSON: "num_images" and "num_compared" of each part; "parts": for each two parts with a finding how
        many images of the first have an equal one ("equal") or else one that looks alike ("alike") in the
        second; "pairs": a few of each, as rows of the data set.
    """
    rows = {part: dataset.indices(part) for part in ("train", "val", "test")}
    digests = read_digests(dataset.directory / "manifest.csv")
    compared = _chosen(rows, config.max_images)
    every = np.concatenate([*compared.values()])
    with ThreadPoolExecutor(num_threads) as pool:
        small = [*show(pool.map(partial(_small, dataset), every.tolist()), len(every))]
    of_row = dict(zip(every.tolist(), small, strict=True))
    pictures = {part: _with_contrast(of, of_row) for part, of in compared.items()}
    parts, pairs = [], []
    for first, second in _PARTS:
        equal = _equal(digests, rows[first], rows[second])
        alike = _alike(pictures[first], pictures[second], config.similarity, num_threads)
        alike = [pair for pair in alike if pair[0] not in equal]
        if equal or alike:
            parts.append({"parts": [first, second], "equal": len(equal), "alike": len(alike)})
        kept = [(row, other, 1.0) for row, other in equal.items()]
        for kind, found in (("equal", kept), ("alike", sorted(alike, key=lambda pair: -pair[2]))):
            pairs += [
                {"parts": [first, second], "kind": kind, "rows": [row, other], "similarity": round(value, 4)}
                for row, other, value in _once(found)[:_KEPT]
            ]
    return {
        "dataset": dataset.name,
        "similarity": config.similarity,
        "num_images": {part: len(of) for part, of in rows.items()},
        "num_compared": {part: len(of) for part, of in compared.items()},
        "parts": parts,
        "pairs": pairs,
    }


def cautions(found: Found) -> list[str]:
    """A sentence where test images were met in training."""
    for entry in found["parts"]:
        if entry["parts"] == ["test", "train"]:
            total, compared = found["num_images"]["test"], found["num_compared"]["test"]
            told = [f"{entry['equal']} too (equal files)"] if entry["equal"] else []
            if entry["alike"]:
                sample = "" if compared == total else f" of {compared} that were compared"
                alike = f"correlation {found['similarity']:g} or more"
                told.append(f"{entry['alike']}{sample} nearly ({alike})")
            return [
                f"Caution: of {total} test images of {found['dataset']}, training has {' and '.join(told)}."
            ]
    return []


def _chosen(rows: dict[str, np.ndarray], most: int) -> dict[str, np.ndarray]:
    """All rows, or of each part the same share of them, evenly."""
    total = sum(map(len, rows.values()))
    share = min(1.0, most / max(total, 1))
    return {
        part: of[np.linspace(0, len(of) - 1, round(share * len(of))).round().astype(int)] if len(of) else of
        for part, of in rows.items()
    }


def _small(dataset: PreparedDataset, row: int) -> np.ndarray:
    """(256,) float32 of mean 0; length 1, or 0 where the picture shows nothing."""
    picture = Image.fromarray(dataset.picture(row, at_least=_SIDE)).convert("L")
    grey = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32).ravel()
    grey = grey - grey.mean()
    length = float(np.linalg.norm(grey))
    return grey / length if length >= _LEAST_CONTRAST * _SIDE else np.zeros_like(grey)


def _with_contrast(rows: np.ndarray, of_row: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The rows (n,) whose picture shows something, and these pictures (n, 256)."""
    kept = [row for row in rows.tolist() if of_row[row].any()]
    pictures = [of_row[row] for row in kept]
    return np.array(kept, np.int64), np.stack(pictures) if pictures else np.empty((0, _SIDE**2), np.float32)


def _equal(digests: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[int, int]:
    """Each row of `first` that has another of equal content in `second` -> the first such row.

    Args:
        digests: (n, 32) uint8.
    """
    # By their first 8 bytes, numbers that are sorted in little memory; the few that are left, by all 32.
    numbers = np.ascontiguousarray(digests[:, :8]).view(np.uint64).ravel()
    if first is second:
        found, counts = np.unique(numbers[first], return_counts=True)
        shared = found[counts > 1]
    else:
        shared = np.intersect1d(numbers[first], numbers[second])
    where: dict[bytes, list[int]] = {}
    for row in second[np.isin(numbers[second], shared)].tolist():
        where.setdefault(digests[row].tobytes(), []).append(row)
    twice = {}
    for row in first[np.isin(numbers[first], shared)].tolist():
        others = [other for other in where.get(digests[row].tobytes(), [])[:2] if other != row]
        if others:
            twice[row] = others[0]
    return twice


def _alike(
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    similarity: float,
    num_threads: int,
) -> list[tuple[int, int, float]]:
    """(row, the row of `second` most like it, correlation) of each row of `first` that has one alike."""
    (rows, pictures), (others, bank) = first, second
    same = first is second
    if not len(rows) or len(others) < 1 + same:
        return []
    cosines, neighbours = nearest(pictures, bank, 1 + same, num_threads=num_threads)
    if same:  # a row is its own neighbour, but not always the first of equals
        other = (neighbours[:, 0] == np.arange(len(rows))).astype(int)
        cosines, neighbours = (
            np.take_along_axis(values, other[:, None], 1) for values in (cosines, neighbours)
        )
    return [
        (int(rows[i]), int(others[neighbours[i, 0]]), min(1.0, float(cosines[i, 0])))
        for i in np.flatnonzero(cosines[:, 0] >= similarity)
    ]


def _once(pairs: Iterable[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Without the pairs that are there the other way round."""
    seen: dict[frozenset[int], tuple[int, int, float]] = {}
    for pair in pairs:
        seen.setdefault(frozenset(pair[:2]), pair)
    return list(seen.values())
