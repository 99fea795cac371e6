"""JPEG files for loading: crops of photographs from scikit-image, of the usual size of ImageNet's files."""

from pathlib import Path

import numpy as np

NAMES = ("astronaut", "chelsea", "coffee", "rocket")
SIZE = (500, 375)  # width and height, pixels


def write_photographs(folder: Path, count: int) -> list[Path]:
    """Write `count` JPEG files with different crops; if all exist, nothing is written."""
    from PIL import Image
    from skimage import data

    paths = [folder / f"{index:04d}.jpg" for index in range(count)]
    if all(path.is_file() for path in paths):
        return paths
    photographs = [Image.fromarray(getattr(data, name)()).convert("RGB") for name in NAMES]
    rng = np.random.default_rng(0)
    for index, path in enumerate(paths):
        photograph = photographs[index % len(photographs)]
        left, top = (int(rng.integers(extent // 4)) for extent in photograph.size)
        box = (left, top, left + photograph.width // 4 * 3, top + photograph.height // 4 * 3)
        photograph.resize(SIZE, Image.Resampling.BICUBIC, box=box).save(path, quality=90)
    return paths
