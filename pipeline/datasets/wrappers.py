"""Skips folders around a data set that contain only the next folder."""

import os
from pathlib import Path

from pipeline.datasets.hidden import is_hidden


def below_wrappers(root: Path) -> Path:
    """The first folder from `root` downwards that contains a file, or two folders, or nothing."""
    while True:
        with os.scandir(root) as listing:
            entries = [entry for entry in listing if not is_hidden(entry.name)]
        if len(entries) != 1 or not entries[0].is_dir():
            return root
        root = root / entries[0].name


def below(root: Path, inner: Path) -> str:
    """The path from `root` to `inner`, as a prefix: "" or "folder/"."""
    return "" if inner == root else f"{inner.relative_to(root).as_posix()}/"
