"""Versions of the libraries that make the numbers: a part of every fingerprint, stage by stage."""

import importlib.metadata
from collections.abc import Iterable
from functools import cache

# Name in an import -> distributions that compute for it, and how many numbers of their versions count. Later
# numbers are of releases that mend, by the rules of these projects; Jittor has no such rule.
_DISTRIBUTIONS = {
    "jittor": {"jittor": 4, "onednn-cpu-gomp": 2},
    "numpy": {"numpy": 2},
    "scipy": {"scipy": 2},
    "PIL": {"pillow": 2},  # decodes and resizes
    "sklearn": {"scikit-learn": 2},
    "skimage": {"scikit-image": 2},  # its photographs are the embedded data set
    "faster_coco_eval": {"faster-coco-eval": 2},
}
# Where it makes numbers; elsewhere it unpacks the masks that were stored, which nothing reads there.
_STAGES_OF = {"faster_coco_eval": ("prepare", "detect", "dense_probe")}


def library_versions(imported: Iterable[str], stage: str) -> dict[str, str | None]:
    """What counts of the versions of libraries, by distribution.

    Args:
        imported: names of packages, as in an import; those that make no numbers are left out.
        stage: that imports them.

    Returns:
        E.g. {"numpy": "1.26"}; None for one that is not installed and can be done without.
    """
    making = [name for name in imported if stage in _STAGES_OF.get(name, (stage,))]
    wanted = [_DISTRIBUTIONS[name] for name in making if name in _DISTRIBUTIONS]
    counted = {distribution: count for each in wanted for distribution, count in each.items()}
    return {name: _version(name, count) for name, count in sorted(counted.items())}


def _version(distribution: str, count: int) -> str | None:
    found = installed_version(distribution)
    return found and ".".join(found.split(".")[:count])


@cache
def installed_version(distribution: str) -> str | None:
    """By metadata, never by import: importing Jittor compiles. None where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
