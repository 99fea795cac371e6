"""Paths in files from other machines: absolute, of Windows, or climbing out of a folder."""

import posixpath
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://([^?#]*)")


def find_below(root: Path, name: str) -> str | None:
    """Find a path from another machine below `root`, dropping as few leading folders as possible.

    None if no ending of the path exists there; "" for the folder itself.
    """
    parts = path_parts(name)
    if not parts:
        return ""
    return next(("/".join(parts[n:]) for n in range(len(parts)) if root.joinpath(*parts[n:]).exists()), None)


def leads_elsewhere(name: str) -> bool:
    """Whether a path is absolute, has a drive, or climbs out of its folder."""
    path = name.strip().replace("\\", "/")
    return path.startswith("/") or re.match(r"[A-Za-z]:", path) is not None or ".." in path.split("/")


def path_parts(name: str) -> tuple[str, ...]:
    """The folders and the name of a path or of a URL, without drive, root, query and ".."."""
    if match := _URL.match(name.strip()):
        name = unquote(match[1])
    path = PurePosixPath(posixpath.normpath(name.strip().replace("\\", "/")))
    return tuple(part for part in path.parts if part not in ("/", "//", ".", ".."))
