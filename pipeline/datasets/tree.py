"""Walks a folder in a fixed order. Standard library only: the task graph uses it too."""

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.hidden import is_hidden


def folders_in(folder: Path) -> list[Path]:
    """The folders directly in a folder, sorted by name; hidden ones are skipped."""
    with os.scandir(folder) as listing:  # of a folder of images, thousands of which are no folders
        names = [entry.name for entry in listing if not is_hidden(entry.name) and entry.is_dir()]
    return [folder / name for name in sorted(names)]


def walk(root: Path) -> Iterator[tuple[str, str, list[os.DirEntry]]]:
    """Visit a folder and everything below it, a folder's files before its subfolders, sorted by name.

    Links to folders are followed, except to a folder that is being visited. Hidden names are skipped.

    Yields:
        (folder relative to `root` with "/", "" for the root; the folder's real path; its files). "Files" are
            regular files and broken links; devices, sockets and pipes are not included.
    """
    top = os.stat(root)
    stack = [("", os.fspath(root), frozenset([(top.st_dev, top.st_ino)]))]
    while stack:
        relative, path, visiting = stack.pop()
        with os.scandir(path) as listing:
            found = sorted((e for e in listing if not is_hidden(e.name)), key=lambda entry: entry.name)
        yield (
            relative,
            path,
            [e for e in found if e.is_file() or (e.is_symlink() and not os.path.exists(e.path))],
        )
        for entry in reversed(found):
            if not entry.is_dir():
                continue
            status = entry.stat()
            identity = (status.st_dev, status.st_ino)
            if identity not in visiting:
                below = f"{relative}/{entry.name}" if relative else entry.name
                stack.append((below, entry.path, visiting | {identity}))
