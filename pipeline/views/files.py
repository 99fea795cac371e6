"""The file of base and head vectors of a sample of images, and of the images' maps.

Shapes: n shown images, m training images (the bank in which their neighbours are searched), D channels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.storage.files import replacing

VIEWS = "views.npz"
ATTENTION, COLOURS = "attention.png", "pca.png"
BASE, HEAD = "base", "auxiliary head"  # the sides of a network
_KEYS = {BASE: "base", HEAD: "head"}


@dataclass(frozen=True, eq=False)
class Views:
    """Vectors of the same images from base and auxiliary head."""

    part: str  # split of the shown images: "test", else "val" or "train"
    rows: np.ndarray  # (n,) int64, rows of the data set
    bank_rows: np.ndarray  # (m,) int64
    vectors: dict[str, np.ndarray]  # side -> (n, D) float32
    bank: dict[str, np.ndarray]  # side -> (m, D) float32
    maps: dict[str, np.ndarray]  # side -> (n, 2) float32, by t-SNE; empty for too few images


def write_views(folder: Path, views: Views) -> None:
    """Write views.npz."""
    arrays = {"part": np.array(views.part), "rows": views.rows, "bank_rows": views.bank_rows}
    for side, vectors in views.vectors.items():
        arrays |= {_KEYS[side]: vectors, f"{_KEYS[side]}_bank": views.bank[side]}
    arrays |= {f"{_KEYS[side]}_map": positions for side, positions in views.maps.items()}
    with replacing(folder / VIEWS) as partial, open(partial, "wb") as stream:
        np.savez(stream, **arrays)


def read_views(folder: Path) -> Views:
    """Read what `write_views` wrote.

    Raises:
        ValueError: the number of vectors is not that of images; names the file.
    """
    path = folder / VIEWS
    with np.load(path, allow_pickle=False) as stored:
        sides = {side: key for side, key in _KEYS.items() if key in stored.files}
        views = Views(
            part=str(stored["part"]),
            rows=stored["rows"],
            bank_rows=stored["bank_rows"],
            vectors={side: stored[key] for side, key in sides.items()},
            bank={side: stored[f"{key}_bank"] for side, key in sides.items()},
            maps={side: stored[f"{key}_map"] for side, key in sides.items() if f"{key}_map" in stored.files},
        )
    counted = ((views.rows, views.vectors), (views.bank_rows, views.bank), (views.rows, views.maps))
    for rows, of_sides in counted:
        for side, vectors in of_sides.items():
            if len(vectors) != len(rows):
                raise ValueError(f"{path}: {len(vectors)} vectors of the {side}, expected {len(rows)}")
    return views
