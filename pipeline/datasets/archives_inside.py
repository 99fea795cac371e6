"""Says what the archives in a folder without images hold: archives are read one at a time only."""

from collections import Counter
from pathlib import Path

from pipeline.datasets.archive import Archive
from pipeline.datasets.image_names import stem_and_suffix
from pipeline.datasets.tree import walk

_SUFFIXES = (".tar", ".zip", ".tgz", ".gz", ".bz2", ".xz")
_SHOWN = 4  # suffixes that a message lists


def archives_inside(root: Path) -> list[str]:
    """A line on the first readable archive below `root`, with the number of all; empty if there is none."""
    found = [
        Path(folder) / file.name
        for _, folder, files in walk(root)
        for file in files
        if stem_and_suffix(file.name)[1] in _SUFFIXES
    ]
    for path in found[:1]:
        try:
            counts = Counter(Archive(path, max_bytes=0).suffixes())
        except ValueError as error:
            return [f"{len(found)} archives: {error}"]
        most = counts.most_common(_SHOWN)
        shown = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in most)
        return [
            f"{len(found)} archives, of which {path.relative_to(root)} holds {shown or 'no file'}: state one "
            "as data.source, or unpack them"
        ]
    return []
