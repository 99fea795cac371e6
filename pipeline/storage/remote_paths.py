"""Paths on this machine or behind URLs. Byte ranges are read from them; nothing is copied to disk."""

import os
from pathlib import Path


def is_url(source: str) -> bool:
    """Whether a source is a URL, not a path on this machine."""
    return "://" in source


def path_of(source: str) -> Path:
    """A `Path`, or a `UPath` with the same methods for a URL that fsspec knows, such as s3://bucket/folder.

    Raises:
        ValueError: fsspec does not know the protocol, or a package for it is not installed.
    """
    if not is_url(source):
        return Path(source)
    try:
        from upath import UPath

        found = UPath(source)
        found.fs  # noqa: B018 - imports what the protocol needs
        return found
    except ImportError as error:
        raise ValueError(
            f"{source}: URLs are read with universal-pathlib and fsspec's package for the protocol, and one "
            f"is not installed ({error}): python -m pip install -e '.[remote]'"
        ) from error
    except ValueError as error:
        raise ValueError(f"{source}: fsspec does not know such URLs: {error}") from error


def read_range(file: Path, start: int, end: int) -> bytes:
    """Bytes `start` to `end` of a file, fewer where it ends earlier.

    Raises:
        OSError: the file cannot be read.
    """
    if not isinstance(file, Path):
        return file.fs.cat_file(file.path, start, end)
    with open(file, "rb", buffering=0) as stream:
        return os.pread(stream.fileno(), end - start, start)
