"""Reads text files of a published set: one item per line, with fields separated by blanks."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.text_files import text_of


def fields(file: Path, count: int) -> Iterator[list[str]]:
    """The first `count` fields of every line that is neither empty nor a comment (#).

    Raises:
        ValueError: a line with fewer fields, or text that is not UTF-8.
        FileNotFoundError: no such file.
    """
    for number, line in enumerate(text_of(file).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = line.split(maxsplit=count) if count > 1 else [line.strip()]
        if len(found) < count:
            raise ValueError(f"{file}, line {number}: expected {count} fields, found {line!r}")
        yield found[:count]


def table(file: Path) -> dict[str, str]:
    """{first field: second field} of every line.

    Raises:
        ValueError: a key on two lines, or as `fields`.
    """
    found: dict[str, str] = {}
    for key, value in fields(file, 2):
        if key in found:
            raise ValueError(f"{file}: expected {key} once, found it on two lines")
        found[key] = value
    return found


def lookup(names: dict[str, str], key: str, file: Path) -> str:
    """The value of a key.

    Raises:
        ValueError: there is no such key.
    """
    if key not in names:
        raise ValueError(f"{file}: expected a line for {key}, found none")
    return names[key]
