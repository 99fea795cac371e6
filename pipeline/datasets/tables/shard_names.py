"""Patterns for the names of many files: "train-{000000..000146}.tar". Standard library only."""

import re
from pathlib import Path

from pipeline.storage.remote_paths import is_url, path_of

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST = 1_000_000  # names; more are surely a mistake


def is_pattern(source: str) -> bool:
    """Whether a source is a pattern with braces and not an existing file."""
    return bool(_BRACES.search(source)) and not Path(source).exists()


def expanded(source: str) -> list[Path]:
    """The files that a pattern names, in order: number ranges keep their zeros, lists are split at commas.

    Files behind URLs are not checked for existence.

    Raises:
        ValueError: invalid braces, or more than a million names.
        FileNotFoundError: the first file that does not exist.
    """
    names = [source]
    while match := _BRACES.search(names[0]):
        choices = _choices(source, match[1])
        if len(names) * len(choices) > _MOST:
            raise ValueError(f"data.source: {source}: expected at most {_MOST} files")
        names = [name.replace(match[0], choice, 1) for name in names for choice in choices]
    if is_url(source):
        return [path_of(name) for name in names]
    files = [Path(name) for name in names]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"data.source: {file} does not exist ({source})")
    return files


def _choices(source: str, inside: str) -> list[str]:
    if match := _RANGE.fullmatch(inside):
        first, last = match.groups()
        if int(last) - int(first) >= _MOST:
            raise ValueError(f"data.source: {source}: expected at most {_MOST} files")
        width = len(first) if first.startswith("0") or len(first) == len(last) else 0
        return [str(number).zfill(width) for number in range(int(first), int(last) + 1)]
    if "," not in inside:
        raise ValueError(
            f"data.source: {source}: expected {{first..last}} or {{one,other}}, found {{{inside}}}"
        )
    return inside.split(",")
