"""Recognises names that folders of parts of a data set have and classes do not. Standard library only.

Folds of a cross-validation, the parts of a search (query, gallery), and images without labels: taken for
classes, each would give a number that means nothing.
"""

import re
from collections.abc import Collection, Mapping

from pipeline.datasets.folder_messages import listed, parts_key
from pipeline.datasets.split_words import Role, stated_role

_FOLD = re.compile(
    r"((?:k|cv|cross|\d+)?[-_ ]?(?:folds?|splits?|cv|partition|subset|chunk|shard)[-_ ]?)(?:[0-9]+|[a-e])",
    re.IGNORECASE,
)
_OF_A_SEARCH = ("query", "queries", "gallery", "probe", "probes", "distractors")
_WITHOUT_LABELS = ("unlabeled", "unlabelled", "unlabeled_data", "unlabelled_data", "unsup", "unsupervised")
_LABELLED = ("labeled", "labelled", "labeled_data", "labelled_data")
_FEWEST_FOR_A_PATTERN = 3


def refuse_parts_as_classes(names: Collection[str], parts: Mapping[str, Role]) -> None:
    """Refuse classes with names of parts, unless `data.parts` says that they are classes.

    Args:
        names: of all classes, by folders.
        parts: `data.parts`.

    Raises:
        ValueError: names the folders and the key.
    """
    names = sorted(name for name in names if stated_role(name, parts) != "class")
    starts = {name: match[1] for name in names if (match := _FOLD.fullmatch(name))}
    if len(starts) > 1:
        raise _folds(starts)
    of_a_search = [name for name in names if name.lower() in _OF_A_SEARCH]
    if len(of_a_search) > 1:
        raise _refusal(
            of_a_search,
            "the parts of a search",
            f"{parts_key(dict.fromkeys(of_a_search, 'unused'))} leaves them out",
        )
    if without := [name for name in names if name.lower() in _WITHOUT_LABELS]:
        labelled = [name for name in names if name.lower() in _LABELLED]
        roles = dict.fromkeys(labelled, "train") | dict.fromkeys(without, "unused")
        raise _refusal(
            without + labelled,
            "images without labels",
            f"{parts_key(roles)} leaves {'them' if len(without) > 1 else 'it'} out"
            + (', with "train" also for it they are pretrained on' if labelled else ""),
        )


def _folds(starts: Mapping[str, str]) -> ValueError:
    """The refusal of folds; `starts` are their names without the number."""
    first, start = next(iter(starts.items()))
    same = [name for name in starts if starts[name] == start]
    others = [f"{start}*"] if len(same) >= _FEWEST_FOR_A_PATTERN else [n for n in starts if n != first]
    roles = {first: "test"} | dict.fromkeys(others, "train")
    return _refusal(
        list(starts), "the folds of a cross-validation", f"{parts_key(roles)} tests on one of them"
    )


def _refusal(names: list[str], meaning: str, remedy: str) -> ValueError:
    return ValueError(
        f"expected folders that are classes, found {listed(names)}, which could be {meaning}: {remedy}; "
        f"for classes {parts_key(dict.fromkeys(names, 'class'))}; data.class_folders = false takes all "
        "images without labels"
    )
