"""Duplicate images: equal files and near duplicates, within a split and across splits.

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
# Leaks come first: images of a scored split that also occur in training.
_PARTS = [("test", "train"), ("val", "train"), ("test", "val")]
_PARTS += [(part, part) for part in ("train", "val", "test")]
_SIDE = 16  # pixels; side of the grey thumbnails that are compared
_LEAST_CONTRAST = 2.0  # standard deviation in grey levels; a thumbnail with less is not compared
_KEPT = 4  # number of pairs of each kind to show

Found = dict[str, Any]


def find_duplicates(
    dataset: PreparedDataset,
    config: DuplicatesConfig,
    *,
    num_threads: int = 1,
    show: Callable[[Iterable, int], Iterable] = lambda images, total: images,
) -> Found:
    """Find equal files among all images, and near duplicates among at most `config.max_images`.

    Images are near duplicates if their grey thumbnails correlate: copies that were resized, recompressed or
    brightened are found, mirrored and cropped ones are not.

    Args:
        show: wraps the iterable of thumbnails, given their number; for a progress bar.

    Returns:
        For JSON: "num_images" and "num_compared" of each split; "parts": for each two splits with a finding,
        how many images of the first have an equal one ("equal") or else a near duplicate ("alike") in the
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
    """A sentence if test images also occur in training; else none."""
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
    """All rows; or, if they are too many, the same share of each split, evenly spaced."""
    total = sum(map(len, rows.values()))
    share = min(1.0, most / max(total, 1))
    return {
        part: of[np.linspace(0, len(of) - 1, round(share * len(of))).round().astype(int)] if len(of) else of
        for part, of in rows.items()
    }


def _small(dataset: PreparedDataset, row: int) -> np.ndarray:
    """A grey thumbnail, (256,) float32: mean 0, norm 1; all 0 without contrast."""
    picture = Image.fromarray(dataset.picture(row, at_least=_SIDE)).convert("L")
    grey = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32).ravel()
    grey = grey - grey.mean()
    length = float(np.linalg.norm(grey))
    return grey / length if length >= _LEAST_CONTRAST * _SIDE else np.zeros_like(grey)


def _with_contrast(rows: np.ndarray, of_row: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The rows (n,) whose thumbnails have contrast, and these thumbnails (n, 256)."""
    kept = [row for row in rows.tolist() if of_row[row].any()]
    pictures = [of_row[row] for row in kept]
    return np.array(kept, np.int64), np.stack(pictures) if pictures else np.empty((0, _SIDE**2), np.float32)


def _equal(digests: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[int, int]:
    """Row of `first` -> first other row of `second` with equal content.

    Args:
        digests: (n, 32) uint8.
    """
    # First by 8 bytes, which are sorted in little memory; the few candidates then by all 32.
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
    """(row, nearest row of `second`, correlation) for each row of `first` with a near duplicate."""
    (rows, pictures), (others, bank) = first, second
    same = first is second
    if not len(rows) or len(others) < 1 + same:
        return []
    cosines, neighbours = nearest(pictures, bank, 1 + same, num_threads=num_threads)
    if same:  # a row is its own neighbour, but with equal ones not always the first
        other = (neighbours[:, 0] == np.arange(len(rows))).astype(int)
        cosines, neighbours = (
            np.take_along_axis(values, other[:, None], 1) for values in (cosines, neighbours)
        )
    return [
        (int(rows[i]), int(others[neighbours[i, 0]]), min(1.0, float(cosines[i, 0])))
        for i in np.flatnonzero(cosines[:, 0] >= similarity)
    ]


def _once(pairs: Iterable[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """The pairs without those that occur in reverse order before."""
    seen: dict[frozenset[int], tuple[int, int, float]] = {}
    for pair in pairs:
        seen.setdefault(frozenset(pair[:2]), pair)
    return list(seen.values())
