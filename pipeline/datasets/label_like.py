"""Detects label maps among photographs, which would be trained on as if they were photographs.

A label map is recognised by its content: a lossless file with few values per channel, far fewer than its
pixels, or with areas of equal neighbours, such as the ids of objects. Photographs have neither. Data sets
that consist of such files (digits, icons, silhouettes) are accepted: only a mixture is refused, and only if
one folder, or one ending of names, contains nothing else.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pipeline.datasets.image_names import stem_and_suffix
from pipeline.datasets.source import Entry
from pipeline.datasets.split_words import Role, stated_role

_MAX_LEVELS = 32  # distinct values per channel
_PIXELS_PER_LEVEL = 64  # an image of 28 x 28 pixels of a thin digit has few values too
# Photographs on white and drawn digits stay below 0.85, maps of labels or ids are above 0.95.
_EQUAL_NEIGHBOURS = 0.9
_ROWS_LOOKED_AT = 16
_FEWEST_PIXELS = 256
_LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".jp2", ".avif", ".heic", ".heif")
_SHARE = 0.9  # of a group's images that are label maps; in another group, that are not
# x_mask.png, x_gtFine_labelIds.png: endings of names where label maps are beside their images.
_ENDING = re.compile(
    r"[-_.](masks?|labels?|label_?ids|label_?train_?ids|instance_?ids|color|gt|seg|segmentation|annotation|"
    r"trimap|[LP])$",
    re.IGNORECASE,
)
_SHOWN = 5  # groups that a message lists


class _Group(NamedTuple):
    """Images of one class folder, suffix and ending."""

    folder: str
    suffix: str
    ending: str


def is_lossy(path: str) -> bool:
    """Whether a file's suffix is that of a lossy format; label maps never have one."""
    return path.lower().endswith(_LOSSY)


def looks_like_labels(pixels: np.ndarray, num_levels: int) -> bool:
    """Whether a lossless image could be a map of labels or ids.

    Args:
        pixels: (H, W, 3) uint8.
        num_levels: distinct values in the channel with most.
    """
    num_pixels = pixels.shape[0] * pixels.shape[1]
    if num_levels <= _MAX_LEVELS and num_pixels >= _PIXELS_PER_LEVEL * num_levels:
        return True
    if num_pixels < _FEWEST_PIXELS:
        return False
    rows = pixels[:: max(1, len(pixels) // _ROWS_LOOKED_AT)]
    return bool((rows[:, 1:] == rows[:, :-1]).all(axis=2).mean() >= _EQUAL_NEIGHBOURS)


class LabelLike:
    """Counts the images of a source that look like label maps, by folder, suffix and ending of the name."""

    def __init__(self) -> None:
        self._counts: dict[_Group, list[int]] = defaultdict(lambda: [0, 0])  # images, label maps among them

    def add(self, entry: Entry, is_label_like: bool) -> None:
        """Count one image; `is_label_like` is the result of `looks_like_labels`."""
        stem, suffix = stem_and_suffix(entry.path)
        ending = _ENDING.search(stem)
        group = _Group(entry.class_name or entry.split or "", suffix, ending[0] if ending else "")
        counts = self._counts[group]
        counts[0] += 1
        counts[1] += is_label_like

    def refuse_mixture(self, source: str, parts: Mapping[str, Role]) -> None:
        """Refuse label maps among photographs, except in folders that are declared to be classes.

        Args:
            parts: `data.parts`.

        Raises:
            ValueError: there are both; the message names the folders or the endings, and the key to set.
        """
        groups = {g: counts for g, counts in self._counts.items() if stated_role(g.folder, parts) != "class"}
        maps = {group: n for group, (n, like) in groups.items() if like >= _SHARE * n}
        photographs = {group: n for group, (n, like) in groups.items() if like <= (1 - _SHARE) * n}
        if not maps or not photographs:
            return
        folders = {group.folder for group in maps} - {group.folder for group in photographs}
        is_by_folder = all(group.folder in folders for group in maps)
        names = sorted(folders) if is_by_folder else sorted({f"*{g.ending}{g.suffix}" for g in maps})
        ends = "/" if is_by_folder else ""
        shown = ", ".join(f"{name}{ends}" for name in names[:_SHOWN]) + ", ..." * (len(names) > _SHOWN)
        key = ", ".join(f'"{name}" = "unused"' for name in names[:_SHOWN])
        alternative = f', or with "class" to take {"it" if len(names) == 1 else "them"} for photographs'
        raise ValueError(
            f"data.source: {source}: expected photographs, found {sum(maps.values())} images that look like "
            f"label maps (few values, or even areas) in {shown} among {sum(photographs.values())} "
            f"photographs: state data.parts = {{ {key} }} to leave them out"
            f"{alternative if is_by_folder else ''}, or data.format to read them as labels"
        )
