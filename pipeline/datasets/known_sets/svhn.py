"""Street View House Numbers, cropped digits in .mat files.

Source: the set's page: X is (32, 32, 3, n); in y the digit 0 is 10.
"""

from pathlib import Path

import numpy as np

from pipeline.config.data import DataConfig
from pipeline.datasets.arrays import ArrayPart, ArraySource
from pipeline.datasets.known_sets.matlab import matlab_array
from pipeline.datasets.source import Format
from pipeline.datasets.wrappers import below_wrappers


def is_svhn(root: Path) -> bool:
    """Whether a folder has the digits of both parts."""
    return all((root / f"{split}_32x32.mat").is_file() for split in ("train", "test"))


def read_svhn(config: DataConfig, root: Path) -> ArraySource:
    """Read train and test and, if present, extra, which is training data too.

    Raises:
        ValueError: a file is missing or damaged.
    """
    inner = below_wrappers(root)
    if not is_svhn(inner):
        raise ValueError(f"{root}: expected train_32x32.mat and test_32x32.mat (SVHN)")
    splits = [split for split in ("train", "test", "extra") if (inner / f"{split}_32x32.mat").is_file()]
    note = 'extra_32x32.mat is training data too; data.parts = { "extra" = "unused" } leaves it out'
    return ArraySource([_part(inner, split) for split in splits], notes=(note,) if "extra" in splits else ())


def _part(root: Path, split: str) -> ArrayPart:
    file = root / f"{split}_32x32.mat"
    images, digits = matlab_array(file, "X"), matlab_array(file, "y").ravel()
    if images.ndim != 4:
        raise ValueError(f"{file}: X: expected images (32, 32, 3, n), found shape {images.shape}")
    if digits.size and not 1 <= digits.min() <= digits.max() <= 10:
        raise ValueError(f"{file}: y: expected digits from 1 to 10, found {digits.min()} to {digits.max()}")
    return ArrayPart(split, images.transpose(3, 0, 1, 2), digits.astype(np.int64) % 10, str(file))


SVHN = Format(read_svhn, is_svhn)
