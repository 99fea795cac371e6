"""Joins the parts of an embedding into one file, with one part in memory at a time.

Shapes: n images, D channels, N patches.
"""

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.storage.arrow import pyarrow
from pipeline.storage.files import replacing


def write_npz(target: Path, parts: list[Path]) -> None:
    """`path` (n,), `cls` (n, D), `patch_mean` (n, D), maybe `patches` (n, N, D); loads without pickle."""
    with replacing(target) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name in _names(parts):
            arrays = [_shape_and_type(part, name) for part in parts]
            num_rows = sum(shape[0] for shape, _ in arrays)
            dtype = np.result_type(*(dtype for _, dtype in arrays))  # for paths: as wide as the longest
            header = {"descr": dtype.str, "fortran_order": False, "shape": (num_rows, *arrays[0][0][1:])}
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                for part in parts:
                    member.write(_array(part, name).astype(dtype).tobytes())


def write_csv(target: Path, parts: list[Path]) -> None:
    """Columns path, cls_0 ..., patch_mean_0 ...; the shortest numbers that read back the same."""
    names = [name for name in _names(parts) if name != "path"]
    with replacing(target) as partial, open(partial, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        widths = {name: _shape_and_type(parts[0], name)[0][1] for name in names}
        writer.writerow(["path", *(f"{name}_{i}" for name in names for i in range(widths[name]))])
        for part in parts:
            numbers = np.concatenate([_array(part, name) for name in names], axis=1).astype(str)
            paths = _array(part, "path").tolist()
            writer.writerows([path, *row] for path, row in zip(paths, numbers.tolist(), strict=True))


def write_parquet(target: Path, parts: list[Path]) -> None:
    """Columns `path`, and lists of a fixed length; each part is a row group."""
    arrow = parquet_library(target)
    with replacing(target) as partial:
        writer = None
        for part in parts:
            columns = {name: _column(arrow, _array(part, name)) for name in _names(parts)}
            table = arrow.table(columns)
            writer = writer or arrow.parquet.ParquetWriter(partial, table.schema)
            if len(table):
                writer.write_table(table)
        writer.close()


def parquet_library(target: Path) -> Any:
    """The library that writes parquet files.

    Raises:
        ValueError: it is not installed.
    """
    return pyarrow(f"{target}: .parquet is written")


WRITERS: dict[str, Callable[[Path, list[Path]], None]] = {
    "parquet": write_parquet,
    "npz": write_npz,
    "csv": write_csv,
}


def _names(parts: list[Path]) -> list[str]:
    with np.load(parts[0]) as part:
        return [name for name in part.files if not name.startswith("bad_")]


def _array(path: Path, name: str) -> np.ndarray:
    with np.load(path) as part:
        return part[name]


def _shape_and_type(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array in a part, from its header."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        np.lib.format.read_magic(member)
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    return shape, dtype


def _column(arrow: Any, array: np.ndarray) -> Any:
    if array.ndim == 1:
        return arrow.array(array.tolist(), arrow.string())
    column = arrow.array(array.reshape(-1))
    for length in array.shape[:0:-1]:
        column = arrow.FixedSizeListArray.from_arrays(column, length)
    return column
