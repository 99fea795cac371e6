"""The description of one layout of objects."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.objects.source import ObjectSource


@dataclass(frozen=True)
class ObjectFormat:
    """How one layout is recognised and read."""

    is_present: Callable[[Path], bool]  # of a folder without wrappers
    read: Callable[[DataConfig, Path], ObjectSource]
    # Of `class_names`, `crowds`, `corners` and `unannotated`, those that the reader uses.
    keys: tuple[str, ...] = ()
