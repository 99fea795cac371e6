"""Counts image files that nothing in an annotated data set names."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.tree import walk

_SHOWN = 5  # folders that a message lists


def passed_over(root: Path, named: Collection[str], words: str) -> list[str]:
    """A line on the image files below `root` that are not among `named`, by folder; empty if there are none.

    Args:
        named: paths relative to `root`, with "/".
        words: what the files are, such as "images that no json file names".
    """
    left = Counter()
    for folder, _, files in walk(root):
        start = f"{folder}/" if folder else ""
        names = [start + file.name for file in files if is_image_name(file.name)]
        if num_left := sum(name not in named for name in names):
            left[folder or "."] = num_left
    if not left:
        return []
    shown = ", ".join(f"{count} in {folder}/" for folder, count in left.most_common(_SHOWN))
    more = f", {sum(left.values())} in all" if len(left) > _SHOWN else ""
    return [f"skipped: {words}: {shown}{more}"]
