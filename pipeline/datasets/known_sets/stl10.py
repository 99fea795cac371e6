"""STL-10, in its binary files.

Source: the set's page: 96 x 96 pixels, colour by colour, each column by column; labels from 1.
"""

from pathlib import Path

import numpy as np

from pipeline.config.data import DataConfig
from pipeline.datasets.arrays import ArrayPart, ArraySource
from pipeline.datasets.source import Format
from pipeline.datasets.text_files import text_of
from pipeline.datasets.wrappers import below_wrappers

_SIDE = 96  # pixels
_NAMES = "class_names.txt"


def is_stl10(root: Path) -> bool:
    """Whether a folder has the labelled images of both parts."""
    return all((root / f"{split}_X.bin").is_file() for split in ("train", "test"))


def read_stl10(config: DataConfig, root: Path) -> ArraySource:
    """Read train and test and, if present, unlabeled: training images without labels.

    Raises:
        ValueError: a file is missing, or sizes disagree.
    """
    inner = below_wrappers(root)
    if not is_stl10(inner):
        raise ValueError(f"{root}: expected train_X.bin and test_X.bin (STL-10)")
    parts = [
        _part(inner, split)
        for split in ("train", "test", "unlabeled")
        if (inner / f"{split}_X.bin").is_file()
    ]
    names = text_of(inner / _NAMES).split() if (inner / _NAMES).is_file() else None
    return ArraySource(parts, class_names=names)


def _part(root: Path, split: str) -> ArrayPart:
    file = root / f"{split}_X.bin"
    if not file.stat().st_size or file.stat().st_size % (3 * _SIDE**2):
        raise ValueError(
            f"{file}: expected images of {3 * _SIDE**2} bytes, found {file.stat().st_size} bytes"
        )
    images = np.memmap(file, np.uint8, mode="r").reshape(-1, 3, _SIDE, _SIDE).transpose(0, 3, 2, 1)
    labels = None
    if (root / f"{split}_y.bin").is_file():
        labels = np.fromfile(root / f"{split}_y.bin", np.uint8).astype(np.int64) - 1
    return ArrayPart(split, images, labels, str(file))


STL_10 = Format(read_stl10, is_stl10)
