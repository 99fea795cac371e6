"""Tables with a column of 0 and 1 for each class."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.datasets.tables.columns import IMAGES_ALONE

_FEWEST = 2
_OTHER = object()
_EMPTY = ("", "nan", "<na>", "none")  # in lower case
_NUMBERS = {"0": 0, "1": 1, "-1": -1, "0.0": 0, "1.0": 1, "-1.0": -1, "false": 0, "true": 1}


class UncertainLabels(ValueError):
    """A column of labels has more values than 0 and 1."""


@dataclass(frozen=True)
class ClassColumns:
    """The columns that are classes, and the others."""

    names: tuple[str, ...]
    others: tuple[str, ...]  # not classes, images or splits: not read


def find_class_columns(
    rows: Iterable[Mapping[str, Any]], names: Iterable[str], origin: str, *, is_uncertain_read: bool = False
) -> ClassColumns | None:
    """The columns with only 0 and 1, or true and false; None if there are fewer than two.

    A row whose cells are all empty has no labels.

    Args:
        rows: of the table.
        names: of the columns that may be classes.
        is_uncertain_read: whether `data.uncertain_labels` gives a meaning to -1 and empty cells.

    Raises:
        UncertainLabels: such a column has a -1, or is empty where others are not.
    """
    names = list(names)
    kept = [{name: _number(row.get(name)) for name in names} for row in rows]
    chosen = [
        name
        for name in names
        if all(row[name] is not _OTHER for row in kept) and any(row[name] is not None for row in kept)
    ]
    if len(chosen) < _FEWEST:
        return None
    if is_uncertain_read:
        return ClassColumns(tuple(chosen), tuple(name for name in names if name not in chosen))
    doubts: dict[str, tuple[int, int | None]] = {}
    for number, row in enumerate(kept, start=1):
        if all(row[name] is None for name in chosen):
            continue
        for name in chosen:
            if row[name] not in (0, 1):
                doubts.setdefault(name, (number, row[name]))
    if doubts:
        name, (number, value) = next(iter(doubts.items()))
        words = "nothing" if value is None else value
        raise UncertainLabels(
            f"{origin}: column {name!r}, row {number}: expected 0 or 1 for each class, found {words} "
            f'({len(doubts)} such columns): state data.uncertain_labels, which says whether -1 is "absent" '
            f'or "present" and takes an empty cell for absent; {IMAGES_ALONE}'
        )
    return ClassColumns(tuple(chosen), tuple(name for name in names if name not in chosen))


def classes_of(
    row: Mapping[str, Any], columns: Iterable[str], uncertain: Literal["absent", "present"] | None = None
) -> tuple[str, ...] | None:
    """The classes of a row, with -1 read as `uncertain` says; None if all cells are empty."""
    values = {name: _number(row.get(name)) for name in columns}
    if all(value is None for value in values.values()):
        return None
    present = (1, -1) if uncertain == "present" else (1,)
    return tuple(name for name, value in values.items() if value in present)


def _number(cell: Any) -> Any:
    """0, 1 or -1; None if the cell is empty, _OTHER for anything else."""
    text = "" if cell is None else str(cell).strip().lower()
    return None if text in _EMPTY else _NUMBERS.get(text, _OTHER)
