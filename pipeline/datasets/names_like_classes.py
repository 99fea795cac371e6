"""Notes that names of unlabelled images look like classes: cat.0.jpg, dog.1.jpg, 0002_c1s1_000451_03.jpg.

Nothing is read from the names: a person decides, and writes the list.
"""

import re
from collections import Counter
from collections.abc import Iterable

from pipeline.datasets.split_words import role_of

_SEPARATORS = re.compile(r"[-._ ()#=@+]+")
# Candidates for the class, the likeliest first: words before the first number, the first of several fields,
# words behind the last number.
_BEFORE = re.compile(r"([^\d]*[^\W\d_])[-._ ()#=@+]*\d")
_BEHIND = re.compile(r"\d[-._ ()#=@+]*([^\W\d_][^\d]*)$")
_FEWEST = 3  # images of each class, on average
_SHARE = 0.5  # of the images whose names must have a candidate
_MOST = 20_000  # different candidates; more are numbers of images
_SHOWN = 4  # classes that a message lists
# Words that programs and cameras write, and numbers that are dates.
_NO_CLASSES = (
    "img", "image", "images", "picture", "pic", "photo", "dsc", "dscn", "dscf", "sam", "mvimg", "pxl", "gopr",
    "dji", "frame", "screenshot", "scan", "whatsapp", "untitled", "file", "sample", "copy", "edited", "hdr",
    "pano", "mask", "label", "x", "y",
)  # fmt: skip
_DATE = re.compile(r"(19|20)\d\d([01]\d([0-3]\d\d*)?)?")


def names_like_classes(stems: Iterable[str]) -> list[str]:
    """A line if the names of images, without suffixes, look as if they began or ended with a class."""
    counts: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
    num_images = 0
    for stem in stems:
        num_images += 1
        for found, counted in zip(_candidates(stem), counts, strict=True):
            if found and len(counted) <= _MOST and not _is_of_programs(found):
                counted[found] += 1
    for counted in counts:
        num_named = counted.total()
        if 2 <= len(counted) <= min(_MOST, num_named / _FEWEST) and num_named >= _SHARE * num_images:
            shown = ", ".join(f"{name!r} ({count})" for name, count in counted.most_common(_SHOWN))
            more = f", ... ({len(counted)} in all)" if len(counted) > _SHOWN else ""
            return [
                f"caution: no image has a label, but the names of {num_named} of {num_images} look like "
                f"classes, {shown}{more}: a folder for each class, or a .csv list beside them with the "
                "columns path,label makes them so; names alone are not read"
            ]
    return []


def _candidates(stem: str) -> tuple[str | None, str | None, str | None]:
    before, behind = _BEFORE.match(stem), _BEHIND.search(stem)
    first, *others = _SEPARATORS.split(stem.replace("_", " ").strip())
    return before and before[1], first if others else None, behind and behind[1]


def _is_of_programs(name: str) -> bool:
    if role_of(name):
        return True
    words = _SEPARATORS.split(name.lower().replace("_", " "))
    return all(word in _NO_CLASSES or role_of(word) for word in words) or bool(_DATE.fullmatch(name))
