"""Compares an exported folder with this project's own outputs, on real images.

Shapes: B images of S pixels, h x h positions of the last map, D channels.
"""

import os
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.export.other_programs import OTHER_PROGRAMS, OtherProgram, Vectors, check_jittor

TOLERANCE = 1e-4  # for features with values around 2 to 5


def compared(format: str, folder: Path, base: DescribedBase, pixels: np.ndarray, ours: Vectors) -> list[str]:
    """A line for each program that reads the format: the largest difference, or why it was not run.

    Args:
        pixels: (B, 3, S, S) float32 in [0, 1], not normalised.
        ours: global vectors (B, D) and patches (B, h, h, D), as this project computes them.

    Raises:
        ExportError: a program cannot read the files, or computes something else from them.
    """
    # Nothing is downloaded: everything needed is in the folder.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if format == "jittor":
        check_jittor(folder, base)
        return [f"jittor {version('jittor')}: jittor.load gives every number as it was written"]
    return [_line(side, folder, base, pixels, ours) for side in OTHER_PROGRAMS[format]]


def _line(program: OtherProgram, folder: Path, base: DescribedBase, pixels: np.ndarray, ours: Vectors) -> str:
    if reason := missing(program.packages):
        return f"not checked: {reason}"
    try:
        theirs = program.compute(folder, base, pixels)
    except ExportError:
        raise
    except Exception as error:  # of any kind, since it is another project's code
        raise ExportError(f"{program.name} does not read what was written: {quoted(error)}") from error
    vectors, patches = (
        _largest(name, program, mine, other)
        for name, mine, other in zip(("global vectors", "patches"), ours, theirs, strict=True)
    )
    text = f"{program.name}: largest difference of global vectors {vectors:.1e}, of patches {patches:.1e}"
    text += f" ({len(pixels)} images; {releases(program.packages)})"
    if not max(vectors, patches) <= TOLERANCE:
        raise ExportError(f"{text}: more than {TOLERANCE:g}, so nothing is written")
    return text


def _largest(name: str, program: OtherProgram, ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        raise ExportError(f"{program.name}: {name} of shape {theirs.shape}, expected {ours.shape}")
    return float(np.abs(ours - theirs).max())


def missing(packages: tuple[str, ...]) -> str | None:
    """Why one of the packages is unusable; None if all are usable."""
    for package in packages:
        if find_spec(package) is None:
            return f"{package} is not installed; pip install {package}"
        try:
            import_module(package)
        except Exception as error:  # e.g. a torchvision built for another PyTorch
            return f"{package} is installed and cannot be imported ({quoted(error)})"
    return None


def quoted(error: Exception) -> str:
    """Another project's error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def releases(packages: tuple[str, ...]) -> str:
    """The installed versions, such as "timm 1.0.31, torch 2.13.0"."""
    return ", ".join(f"{package} {version(package)}" for package in packages)
