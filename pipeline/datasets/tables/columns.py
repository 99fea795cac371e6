"""Finds the columns of a table with the image, its class and its split, and checks what a class may be."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.datasets.source import Entry
from pipeline.datasets.split_words import Role, role_of, stated_role

# Names in lower case, "_" for spaces and dashes. The first image column is used: a wrong one finds no files.
_IMAGE = (
    "path", "image_path", "img_path", "filepath", "file_path", "file_name", "filename", "image_file",
    "image_name", "image_index", "file", "image", "img", "image_id", "img_id", "id",
)  # fmt: skip
_LABEL = (
    "label", "labels", "class", "class_name", "class_label", "class_id", "classid", "category", "target",
    "species", "breed",
)  # fmt: skip
# Used if there is none of these: names in data sets with several labels per image.
_LABELS = ("finding_labels", "tags")
_SPLIT = (
    "split",
    "subset",
    "set",
    "partition",
    "dataset_split",
    "data_split",
    "split_name",
    "phase",
    "usage",
)
# Possible splits with other values: is_valid has True and False, fold has numbers.
_COULD_BE_SPLIT = re.compile(r"is_(train|training|val|valid|validation|test)|(k_?|cv_?)?folds?")
# Notations of a list of labels in one cell; a comma may also be part of a name.
_SEPARATORS = re.compile(r"[|;]|^(\[.*\]|\{.*\}|\(.*,.*\))$|^\d+([\s,]+\d+)+$")
IMAGES_ALONE = 'for the images alone state data.columns = { label = "" }'
LEFT_OUT = "left out, as data.columns states"
_ONE_LABEL = "one label for each image is read, several are not"


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns."""

    image: str
    label: str | None  # None: declared to have no labels, or each class has a column
    split: str | None
    classes: tuple[str, ...] = ()  # columns of 0 and 1, one for each class
    unread: tuple[str, ...] = ()  # besides these


def find_columns(names: Iterable[str], stated: Mapping[str, str], origin: str) -> Columns:
    """Find the columns by their names.

    Args:
        stated: `data.columns`, which takes precedence; an empty label means no labels, an empty split no
            splits.
        origin: the table, for messages.

    Raises:
        ValueError: a column in `stated` is missing; no column, or several columns of labels, match.
    """
    names = list(names)
    for role, name in stated.items():
        if name not in names and (role, name) not in (("label", ""), ("split", "")):
            raise ValueError(
                f"{origin}: data.columns: expected the {role} in {name!r}, found the columns {names}"
            )
    plain = {_plain(name): name for name in names}
    image = stated.get("image") or next((plain[name] for name in _IMAGE if name in plain), None)
    labels = [stated["label"]] if "label" in stated else [plain[name] for name in _LABEL if name in plain]
    labels = labels or [plain[name] for name in _LABELS if name in plain][:1]
    labels = [name for name in labels if name != image]
    split = stated.get("split", next((plain[name] for name in _SPLIT if name in plain), None)) or None
    if image is None:
        raise ValueError(
            f"{origin}: expected a column of images (path, file_name, ...), found {names}: state "
            'data.columns = { image = "..." }'
        )
    if len(labels) != 1:
        others = [name for name in names if name not in (image, split)]
        found = f"several: {labels}" if labels else f"{names}"
        several = f"; {_ONE_LABEL}" if not labels and len(others) > 1 else ""
        raise ValueError(
            f"{origin}: expected a column of labels, found {found}{several}: state "
            f'data.columns = {{ label = "{(labels or others or ["..."])[0]}" }}; {IMAGES_ALONE}'
        )
    return Columns(image, labels[0] or None, split)


def has_label_name(names: Iterable[str]) -> bool:
    """Whether a column has a usual name of a column of labels."""
    return any(_plain(name) in (*_LABEL, *_LABELS) for name in names)


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def refuse_unread_split(names: Iterable[str], stated: Mapping[str, str], found: Columns, origin: str) -> None:
    """Refuse a column that may hold splits in other words, unless `data.columns` says what it is.

    Args:
        names: all columns.
        stated: `data.columns`.
        found: the columns that are read.

    Raises:
        ValueError: names the column and the keys.
    """
    if "split" in stated or found.split:
        return
    if name := next((name for name in names if _COULD_BE_SPLIT.fullmatch(_plain(name))), None):
        raise ValueError(
            f"{origin}: expected to know whether the column {name!r} is the split: state data.columns = "
            f'{{ split = "{name}" }} and its values in data.parts, as {{ "True" = "test", "False" = "train" '
            '}, or data.columns = { split = "" }'
        )


def class_name(value: Any, origin: str) -> str | None:
    """The class in a cell; None if it is empty, -1 or NaN.

    Raises:
        ValueError: several labels, or a number that is a count or a measurement.
    """
    if value is None or value == -1 or value != value:  # NaN
        return None
    if isinstance(value, (list, tuple, dict)):
        raise ValueError(f"{origin}: expected one label, found {value}: {_ONE_LABEL}; {IMAGES_ALONE}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if text in ("", "-1"):
        return None
    if _SEPARATORS.search(text):
        raise ValueError(f"{origin}: expected one label, found {text!r}: {_ONE_LABEL}; {IMAGES_ALONE}")
    if re.fullmatch(r"[-+]?\d*\.\d+([eE][-+]?\d+)?", text):
        if not float(text).is_integer():
            raise ValueError(f"{origin}: expected a class, found the number {text}; {IMAGES_ALONE}")
        return str(int(float(text)))
    return text


def refuse_lists(class_names: Iterable[str], origin: str) -> None:
    """Refuse names that are lists of labels, joined by commas.

    Raises:
        ValueError: they are.
    """
    if (joined := is_comma_list(class_names)) is not None:
        raise ValueError(f"{origin}: expected one label, found {joined!r}: {_ONE_LABEL}; {IMAGES_ALONE}")


def is_comma_list(class_names: Iterable[str]) -> str | None:
    """A name that is several joined by commas, if the parts of most such names are in other names too."""
    parts = {name: {part.strip() for part in name.split(",")} for name in class_names}
    uses = Counter(part for found in parts.values() for part in found)
    joined = [name for name, found in parts.items() if "," in name]
    again = [name for name in joined if all(uses[part] > 1 for part in parts[name])]
    return again[0] if len(joined) > 1 and 2 * len(again) > len(joined) else None


def once(entries: Iterable[Entry], origin: str, *, is_multilabel: bool = False) -> list[Entry]:
    """The entries without repetitions.

    Args:
        is_multilabel: an image has any number of labels; those of its lines are combined.

    Raises:
        ValueError: an image has two splits, or two labels where only one is allowed.
    """
    first: dict[str, Entry] = {}
    for entry in entries:
        known = first.setdefault(entry.path, entry)
        if is_multilabel and known.split == entry.split:
            if known is not entry:
                first[entry.path] = replace(known, target=_joined(known.target, entry.target))
        elif known != entry:
            what = "labels" if known.class_name != entry.class_name else "splits"
            values = (known.class_name, entry.class_name) if what == "labels" else (known.split, entry.split)
            several = 'for several labels of an image state data.labels = "several"; ' * (what == "labels")
            raise ValueError(
                f"{origin}: {entry.path}: expected one of the {what}, found {values[0]} and {values[1]}; "
                f"several {what} for one image are not read; {several}{IMAGES_ALONE}"
            )
    return list(first.values())


def _joined(labels: tuple[str, ...] | None, more: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if labels is None or more is None:
        return more if labels is None else labels
    return tuple(dict.fromkeys((*labels, *more)))


def split_name(value: Any, parts: Mapping[str, Role], origin: str) -> str | None:
    """The split in a cell of the split column; None if it is empty.

    Raises:
        ValueError: not a word for a split, and not in `data.parts`; else it would become training data.
    """
    text = "" if value is None or value != value else str(value).strip()
    if text and not stated_role(text, parts) and role_of(text) not in ("train", "val", "test"):
        raise ValueError(
            f"{origin}: expected a split such as train, val or test, found {text!r}: state "
            f'data.parts = {{ "{text}" = "train" }}, or "unused"'
        )
    return text or None
