"""An exported folder held to what this project computes, on real images.

Shapes: B images of S pixels, h x h places of the last map, D channels.
"""

import os
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.export.other_sides import OTHER_SIDES, OtherSide, Vectors, check_jittor

TOLERANCE = 1e-4  # of features that are of size 2 to 5


def compared(
    format: str, folder: Path, base: DescribedBase, pixels: np.ndarray, ours: Vectors
) -> list[str]:
    """A line for each program that reads the format: the largest difference, or why it was not asked.

    Args:
        pixels: (B, 3, S, S) float32 in [0, 1], not normalised.
        ours: global vectors (B, D) and places (B, h, h, D), as this project computes them.

    Raises:
        ExportError: a program does not read the files, or computes something else from them.
    """
    # Nothing is looked for elsewhere: all that is needed lies in the folder.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if format == "jittor":
        check_jittor(folder, base)
        return [f"jittor {version('jittor')}: jittor.load gives every number as it was written"]
    return [_line(side, folder, base, pixels, ours) for side in OTHER_SIDES[format]]


def _line(side: OtherSide, folder: Path, base: DescribedBase, pixels: np.ndarray, ours: Vectors) -> str:
    if reason := _missing(side.packages):
        return f"not checked: {reason}"
    try:
        theirs = side.compute(folder, base, pixels)
    except ExportError:
        raise
    except Exception as error:  # of another project's code, any kind
        reason = " ".join(str(error).split())[:300]
        raise ExportError(
            f"{side.name} does not read what was written: {type(error).__name__}: {reason}"
        ) from error
    vectors, places = (
        _largest(name, side, mine, other)
        for name, mine, other in zip(("global vectors", "patches"), ours, theirs, strict=True)
    )
    released = ", ".join(f"{package} {version(package)}" for package in side.packages)
    text = f"{side.name}: largest difference of global vectors {vectors:.1e}, of patches {places:.1e}"
    text += f" ({len(pixels)} images; {released})"
    if not max(vectors, places) <= TOLERANCE:
        raise ExportError(f"{text}: more than {TOLERANCE:g}, so nothing is written")
    return text


def _largest(name: str, side: OtherSide, ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        raise ExportError(f"{side.name}: {name} of shape {theirs.shape}, expected {ours.shape}")
    return float(np.abs(ours - theirs).max())


def _missing(packages: tuple[str, ...]) -> str | None:
    """Why one of the packages cannot be used; None where all can."""
    for package in packages:
        if find_spec(package) is None:
            return f"{package} is not installed; pip install {package}"
        try:
            import_module(package)
        except Exception as error:  # e.g. a torchvision that was built for another PyTorch
            return (
                f"{package} is installed and cannot be imported ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:200]})"
            )
    return None
