"""Real photographs shipped by installed packages, and their split into disjoint regions.

Only files inside the installed packages are read; nothing is downloaded, and the packages themselves are
not imported.
"""

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

SPLITS = ("train", "val", "test")
REGION_SIDE = 64  # pixels; approximate side of a region
VAL_SHARE, TEST_SHARE = 0.15, 0.25  # of a photograph's regions
NOT_STATED = "not stated"


class PhotographError(RuntimeError):
    """A photograph is missing, or is not the expected file."""


@dataclass(frozen=True)
class Region:
    """A rectangle of a photograph, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """The region's part of (H, W, ...) pixels, as a view."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Photograph:
    """One source file, and what its package's documentation says about it."""

    name: str  # the class name
    package: str  # the installed distribution
    file: str  # inside the distribution's import package
    subject: str
    author: str
    licence: str
    sha256: str
    box: Region | None = None  # the part that shows the subject; None = all of it
    reduce: int = 1  # side of the squares that are averaged, for files of a much finer scale than the others


IMPORT_NAMES = {"scikit-image": "skimage", "scikit-learn": "sklearn"}


def read_photograph(photograph: Photograph) -> np.ndarray:
    """Read the used part of a photograph, (H, W, 3) uint8.

    Raises:
        PhotographError: the package or the file is missing, or the file has changed.
    """
    path = _package_folder(photograph.package) / photograph.file
    release = version(photograph.package)
    if not path.is_file():
        raise PhotographError(
            f"{path}: expected the photograph {photograph.name!r}, but {photograph.package} {release} "
            "does not ship it; install another release of that package"
        )
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != photograph.sha256:
        raise PhotographError(
            f"{path}: the photograph {photograph.name!r} of {photograph.package} {release} is not the one "
            f"that the drawing was made for: expected SHA-256 {photograph.sha256}, found {found}"
        )
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image.convert("RGB").reduce(photograph.reduce))
    return pixels if photograph.box is None else photograph.box.of(pixels)


def regions_of_splits(height: int, width: int, rng: np.random.Generator) -> dict[str, list[Region]]:
    """Cut an image into a grid of regions and assign each region to a split.

    The grid has at least 2 x 4 or 4 x 2 regions, so that every split has two or more. The regions cover the
    image and share no pixel.
    """
    rows, columns = _grid(height, width)
    row_edges = np.linspace(0, height, rows + 1).astype(int)
    column_edges = np.linspace(0, width, columns + 1).astype(int)
    regions = [
        Region(int(top), int(left), int(bottom - top), int(right - left))
        for top, bottom in pairwise(row_edges)
        for left, right in pairwise(column_edges)
    ]
    num_val = max(2, round(VAL_SHARE * len(regions)))
    num_test = max(2, round(TEST_SHARE * len(regions)))
    shuffled = [regions[i] for i in rng.permutation(len(regions))]
    return {
        "val": shuffled[:num_val],
        "test": shuffled[num_val : num_val + num_test],
        "train": shuffled[num_val + num_test :],
    }


def _grid(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of regions, each side near REGION_SIDE."""
    rows, columns = max(2, round(height / REGION_SIDE)), max(2, round(width / REGION_SIDE))
    if rows * columns < 8:
        return (max(rows, 4), columns) if height >= width else (rows, max(columns, 4))
    return rows, columns


@cache
def _package_folder(package: str) -> Path:
    """Folder of a distribution's import package, found without importing it."""
    spec = find_spec(IMPORT_NAMES[package])
    try:
        version(package)
    except PackageNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise PhotographError(
            f"the package {package} ships photographs of the embedded data set, but is not installed; "
            f"install it (pip install {package}) or name another data set in data.source"
        )
    return Path(next(iter(spec.submodule_search_locations)))
