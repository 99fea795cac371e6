"""Flowers-102: classes in imagelabels.mat, the published split in setid.mat.

Source: the set's page and README: labels from 1 for jpg/image_00001.jpg and on; trnid, valid and tstid hold
image numbers from 1.
"""

from pathlib import Path

import numpy as np

from pipeline.config.data import DataConfig
from pipeline.datasets.known_sets.matlab import matlab_array
from pipeline.datasets.listed_images import ListedImages
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.wrappers import below, below_wrappers

_LABELS, _SPLITS = "imagelabels.mat", "setid.mat"
_IDS = {"train": "trnid", "val": "valid", "test": "tstid"}


def is_flowers(root: Path) -> bool:
    """Whether a folder has the tables and the images."""
    return (root / "jpg").is_dir() and (root / _LABELS).is_file() and (root / _SPLITS).is_file()


def read_flowers(config: DataConfig, root: Path) -> ListedImages:
    """Read the flowers; classes are named by their numbers, from 1, since the set has no names.

    Raises:
        ValueError: a table is missing or damaged, or names an image that has no label.
    """
    inner = below_wrappers(root)
    if not is_flowers(inner):
        raise ValueError(f"{root}: expected jpg/, {_LABELS} and {_SPLITS} (Flowers-102)")
    labels = matlab_array(inner / _LABELS, "labels").ravel()
    entries = []
    for split, key in _IDS.items():
        numbers = matlab_array(inner / _SPLITS, key).ravel().astype(np.int64)
        if numbers.size and not 1 <= numbers.min() <= numbers.max() <= len(labels):
            raise ValueError(
                f"{inner / _SPLITS}: {key}: expected image numbers from 1 to {len(labels)}, "
                f"found {numbers.min()} to {numbers.max()}"
            )
        for number in numbers.tolist():
            path = f"{below(root, inner)}jpg/image_{number:05d}.jpg"
            entries.append(Entry(path, split, str(int(labels[number - 1]))))
    return ListedImages(root, entries, max_bytes=max_file_bytes(config.max_pixels))


FLOWERS_102 = Format(read_flowers, is_flowers)
