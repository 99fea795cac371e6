"""Where compiled kernels are kept: one private folder per user, outside the project."""

import os
import stat
import tempfile
from pathlib import Path

from pipeline.runtime.plain_paths import path_problem

BUILT = "built.json"  # in a home of Jittor below "jittor" here: its core was compiled to the end


def cache_root() -> Path:
    """A private, writable folder for compiled code.

    `$HSSL_CACHE` if it is set. Else the first usable one of `$XDG_CACHE_HOME/hssl`, `~/.cache/hssl`, and a
    folder of this user in the system's temporary folder: a missing or read-only home must not stop a run.

    Raises:
        OSError: `$HSSL_CACHE` cannot be used, or none of the others can; the message gives the reasons.
    """
    chosen = os.environ.get("HSSL_CACHE")
    if chosen:
        folder = Path(chosen).expanduser().absolute()
        problem = _problem(folder)
        if problem:
            raise OSError(f"HSSL_CACHE is {folder}, which cannot hold compiled code: {problem}")
        return folder.resolve()
    problems = []
    for folder in _default_folders():
        problem = _problem(folder)
        if problem is None:
            return folder.resolve()
        problems.append(f"{folder}: {problem}")
    listing = "\n  ".join(problems)
    raise OSError(f"no folder can hold compiled code; set HSSL_CACHE to one that can\n  {listing}")


def folder_size(folder: Path) -> int:
    """Size in bytes of all files below `folder`; symbolic links are not followed."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:  # another process has removed it
                continue
    return total


def _default_folders() -> list[Path]:
    folders = []
    for variable, below in (("XDG_CACHE_HOME", "hssl"), ("HOME", ".cache/hssl")):
        parent = Path(os.environ.get(variable, ""))
        if parent.is_absolute():
            folders.append(parent / below)
    return [*folders, Path(tempfile.gettempdir()) / f"hssl-cache-{os.getuid()}"]


def _problem(folder: Path) -> str | None:
    """Why compiled code cannot safely be kept in `folder`; None if it can. Creates a missing folder."""
    if problem := path_problem(folder.resolve()):
        return problem
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
        mounted = os.statvfs(folder)
    except OSError as error:
        return error.strerror or str(error)
    # Whoever can write here can run code as this user; in a shared /tmp anybody may have made the folder.
    if found.st_uid != os.getuid():
        return f"owned by user {found.st_uid}, not by user {os.getuid()}"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write into it (mode {stat.S_IMODE(found.st_mode):o}); chmod go-w"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "not writable"
    if mounted.f_flag & os.ST_NOEXEC:
        return "mounted noexec, libraries cannot be loaded from it"
    return None
