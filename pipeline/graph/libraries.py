"""Versions of the libraries that compute in a stage, which are part of its fingerprint."""

import importlib.metadata
from collections.abc import Iterable
from functools import cache

# Import name -> its distributions, and how many leading numbers of their versions count. In these projects,
# later numbers mean bug fixes; Jittor has no such rule.
_DISTRIBUTIONS = {
    "jittor": {"jittor": 4, "onednn-cpu-gomp": 2},
    "numpy": {"numpy": 2},
    "scipy": {"scipy": 2},
    "PIL": {"pillow": 2},  # decodes and resizes
    "sklearn": {"scikit-learn": 2},
    "skimage": {"scikit-image": 2},  # its photographs are the embedded data set
    "faster_coco_eval": {"faster-coco-eval": 2},
}
# Stages in which it computes; elsewhere it only unpacks stored masks, which are not used there.
_STAGES_OF = {"faster_coco_eval": ("prepare", "detect", "dense_probe")}


def library_versions(imported: Iterable[str], stage: str) -> dict[str, str | None]:
    """The leading numbers of library versions that enter a fingerprint, by distribution.

    Args:
        imported: import names of packages; those that compute nothing are left out.
        stage: the stage that imports them.

    Returns:
        For example {"numpy": "1.26"}; the version is None for an optional library that is not installed.
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
    """A distribution's version, or None if it is not installed. It is not imported: Jittor would compile."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
