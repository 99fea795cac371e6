"""Recognises names of training, validation and test parts. Standard library only."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal

Role = Literal["train", "val", "test", "class", "unused"]

_WORDS: dict[str, Role] = {
    "train": "train", "training": "train", "trainval": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "minival": "val", "dev": "val",
    "test": "test", "testing": "test", "tst": "test", "eval": "test", "evaluation": "test",
    "holdout": "test",
}  # fmt: skip
# Words that may follow or precede the words above.
_BEHIND = ("set", "data", "dataset", "images", "imgs", "img", "split", "part", "folder", "dir")
_BEFORE = ("mini", "sub")
# Whole names, in lower case.
SPLIT_FOLDERS: dict[str, Role] = {
    **_WORDS,
    **{word + end: role for word, role in _WORDS.items() for end in _BEHIND},
    **{start + word: role for word, role in _WORDS.items() for start in _BEFORE},
}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def stated_role(name: str, parts: Mapping[str, Role]) -> Role | None:
    """The role of a folder, file or part in `data.parts`, whose keys may be patterns such as "*_mask.png"."""
    if name in parts:
        return parts[name]
    return next((role for pattern, role in parts.items() if fnmatchcase(name, pattern)), None)


def unmatched(parts: Mapping[str, Role], names: Iterable[str]) -> list[str]:
    """The keys of `data.parts` that match none of the names; a misspelt one would seem to have an effect."""
    left = set(parts)
    for name in names:
        left = {key for key in left if not (key == name or fnmatchcase(name, key))} if left else left
    return sorted(left)


def whole_role(name: str) -> Role | None:
    """The split that a whole name stands for, in any case: "Testing" does, "cars_test" does not."""
    return SPLIT_FOLDERS.get(name.lower())


def folder_role(path: str) -> Role | None:
    """The split that the folders of a path with "/" name, the nearest first; None if none does."""
    return next((role for name in reversed(path.split("/")[:-1]) if (role := role_of(name))), None)


def role_of(name: str) -> Role | None:
    """The split that a name stands for, alone or as one of its words: Final_Test, cars_train, val2017.

    None without such a word, or with words of two splits.
    """
    if role := whole_role(name):
        return role
    found = {SPLIT_FOLDERS[word.lower()] for word in _WORD.findall(name) if word.lower() in SPLIT_FOLDERS}
    return found.pop() if len(found) == 1 else None
