"""Checks the names of a hub data set's tables: all shards of one configuration."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.datasets.split_words import role_of

_OF = re.compile(r"(.*)-(\d+)-of-(\d+)")  # data/train-00000-of-00002


def refuse_configurations(root: Path, files: Sequence[str]) -> None:
    """Refuse tables of one name in folders that are no splits: configurations, which hold images twice.

    Args:
        files: paths relative to `root`, with "/".

    Raises:
        ValueError: names the folders.
    """
    places = defaultdict(set)
    for file in map(PurePosixPath, files):
        # Of save_to_disk, the tables of all splits have one name.
        folders = tuple(part for part in file.parts[:-1] if role_of(part) is None)
        split = tuple(part for part in file.parts[:-1] if role_of(part) is not None)
        places[(split, file.name)].add("/".join(folders))
    if found := next((sorted(each) for each in places.values() if len(each) > 1), None):
        names = ", ".join(f"{name or '.'}/" for name in found)
        raise ValueError(
            f"{root}: expected the tables of one configuration, found tables of the same names in {names}: "
            f"state one as data.source, such as {root / found[0]}"
        )


def missing_shards(files: Sequence[str]) -> list[str]:
    """A line on shards that the names of others count and that are not there; empty if there are none."""
    found: dict[tuple[str, int], set[int]] = defaultdict(set)
    for file in files:
        if match := _OF.fullmatch(str(PurePosixPath(file).with_suffix(""))):
            found[match[1], int(match[3])].add(int(match[2]))
    missing = {
        f"{name}-...-of-{total:05d}": total - len(numbers)
        for (name, total), numbers in found.items()
        if len(numbers) < total
    }
    return [f"caution: {count} of the shards {name} are not there" for name, count in sorted(missing.items())]
