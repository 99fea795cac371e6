"""Packs images and crop parameters into one array of bytes, from which a GPU renders crops (`on_device`).

Uses NumPy only, so that the loader's threads can pack while Jittor computes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.transforms.crop_parameters import CropParameters
from pipeline.transforms.native import CROP_RECORD
from pipeline.transforms.rendering import check_parameters, image_sizes

# The C++ structs ImageEntry and CropOrder (native/cuda/augment_records.cuh).
IMAGE_ENTRY = np.dtype([("at", np.int64), ("height", np.int32), ("width", np.int32)], align=True)
CROP_ORDER = np.dtype([*CROP_RECORD.descr, ("rows_before", np.int64)], align=True)

_GRANULE = 1 << 20  # bytes; sizes are rounded up to it, so that uploads reuse the memory of earlier ones


@dataclass(frozen=True)
class CropOrders:
    """Offset of the parameters of n crops of one size in the pack, and the memory that their resize needs."""

    at: int  # offset in bytes
    num_crops: int
    size: int  # side of the crops, pixels
    taps: int  # largest number of source pixels per output pixel along an axis
    most_rows: int  # source rows of the crop that reads most
    all_rows: int  # source rows of all crops together


@dataclass(frozen=True)
class Pack:
    """Images with the parameters of their crops, as bytes."""

    data: np.ndarray  # (num_bytes,) uint8: image entries, crop orders, pixels
    orders: tuple[CropOrders, ...]


def pack(images: Sequence[np.ndarray], orders: Sequence[tuple[CropParameters, int]]) -> Pack:
    """Concatenate images and the parameters of their crops.

    Args:
        images: (H, W, 3) uint8 each, of any sizes; copied.
        orders: for each crop size, the crops' parameters and their side in pixels.

    Raises:
        ValueError: an image is not such an array, or a crop reaches outside its image.
    """
    sizes = image_sizes(images)
    for parameters, size in orders:
        check_parameters(sizes, parameters, size)
    records, placed, at = [], [], len(images) * IMAGE_ENTRY.itemsize
    for parameters, size in orders:
        rows, taps = _needs(sizes, parameters, size)
        records.append(_records(parameters, rows))
        totals = {"taps": int(taps.max(initial=1)), "most_rows": int(rows.max(initial=0))}
        placed.append(CropOrders(at, len(parameters), size, **totals, all_rows=int(rows.sum())))
        at += records[-1].nbytes
    ends = at + np.cumsum(3 * sizes.prod(axis=1))
    data = np.empty(-(-int(ends[-1] if len(images) else at) // _GRANULE) * _GRANULE, np.uint8)
    entries = data[: len(images) * IMAGE_ENTRY.itemsize].view(IMAGE_ENTRY)
    entries["at"], entries["height"], entries["width"] = ends - 3 * sizes.prod(axis=1), *sizes.T
    for where, each in zip(placed, records, strict=True):
        data[where.at : where.at + each.nbytes] = each.view(np.uint8)
    for image, end in zip(images, ends.tolist(), strict=True):
        data[end - image.size : end].reshape(image.shape)[...] = image
    return Pack(data, tuple(placed))


def _records(parameters: CropParameters, rows: np.ndarray) -> np.ndarray:
    records = np.zeros(len(parameters), CROP_ORDER)
    for name in CROP_RECORD.names:
        records[name] = getattr(parameters, name)
    records["rows_before"] = np.cumsum(rows) - rows
    return records


def _needs(sizes: np.ndarray, parameters: CropParameters, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) source rows that each crop reads, and (n, 2) source pixels per output pixel along each axis.

    Computed in the same order and precision as in the kernels, so that both agree exactly.
    """
    height = sizes[parameters.image, 0]
    scale = parameters.box[:, 2:].astype(np.float64) / parameters.resized
    support = 2.0 * np.maximum(scale, 1.0)

    def centre(row: int) -> np.ndarray:
        return parameters.box[:, 1] + (parameters.window[:, 1] + row + 0.5) * scale[:, 1]

    first = np.maximum((centre(0) - support[:, 1] + 0.5).astype(np.int64), 0)
    end = np.minimum((centre(size - 1) + support[:, 1] + 0.5).astype(np.int64), height)
    return end - first, np.ceil(support).astype(np.int64) * 2 + 1
