"""Reads the cells of a column of labels: one class per image, or several."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pipeline.config.data import DataConfig
from pipeline.datasets.tables.columns import class_name, is_comma_list, refuse_lists

_BRACKETS = re.compile(r"^(?:\[(?P<list>.*)\]|\{(?P<set>.*)\}|\((?P<tuple>.*,.*)\))$", re.DOTALL)
_ITEM = re.compile(r"'([^']*)'|\"([^\"]*)\"|([^,'\"]+)")
_BARS = re.compile(r"[|;]")
_NUMBERS = re.compile(r"\d+([\s,]+\d+)+")

_INDICATORS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
_FEWEST_INDICATORS = 2

# Common notations of a missing label; the second set could as well be names of classes.
_MISSING = frozenset(("nan", "NaN", "NAN", "<NA>", "NaT"))
_MAYBE_MISSING = frozenset(("None", "null", "NULL", "Null", "NA", "N/A", "n/a", "#N/A"))

Labels = tuple[str, ...]


@dataclass(frozen=True)
class LabelCells:
    """How the cells of a table's labels are read."""

    is_multilabel: bool
    separator: str | None = None  # between labels, as set; None: recognised in each cell
    is_stated_as_one: bool = False  # by `data.labels`, or by few-shot
    at_commas: bool = False  # whether "a, b" is two labels, not one class of that name
    num_indicators: int | None = None  # cells are lists of 0 and 1 for so many classes
    missing: frozenset[str] = _MISSING  # texts of cells, or of labels in them, that mean no label
    found_missing: tuple[tuple[str, int], ...] = ()  # such texts and the number of their cells

    @classmethod
    def of(cls, cells: Iterable[Any], config: DataConfig, origin: str) -> "LabelCells":
        """As set by the section, else as recognised from the cells.

        Raises:
            ValueError: several labels although `data.labels` is "one"; cells that may be a class or no label.
        """
        cells = [_unboxed(cell) for cell in cells]
        counts = Counter(cell.strip() for cell in cells if isinstance(cell, str))
        missing = _missing(counts, config, origin)
        texts = counts.keys() - missing
        if config.labels == "one":
            refuse_lists(texts, origin)
            found = cls(False, is_stated_as_one=True)
        elif config.labels == "several" or config.label_separator is not None:
            found = cls(True, config.label_separator, at_commas=True)
        else:
            at_commas = is_comma_list(texts) is not None
            marked = any(isinstance(cell, list | tuple) for cell in cells) or any(map(_is_marked, texts))
            found = cls(marked or at_commas, at_commas=at_commas)
        found_missing = tuple((text, counts[text]) for text in sorted(missing & counts.keys()))
        found = replace(found, missing=missing, found_missing=found_missing)
        return replace(found, num_indicators=found._indicators(cells)) if found.is_multilabel else found

    def _indicators(self, cells: list[Any]) -> int | None:
        """The number of classes, if each cell is a list of 0 and 1 per class; None if cells are lists of
        labels.

        Recognised by lists of equal length with nothing but 0 and 1: as labels they would name the same class
        again and again.
        """
        lists = [parts for cell in cells if (parts := self._parts(cell)) is not None]
        lengths = {len(parts) for parts in lists}
        if len(lengths) != 1 or min(lengths) < _FEWEST_INDICATORS:
            return None
        are_all = all(str(part).strip().lower() in _INDICATORS for parts in lists for part in parts)
        return lengths.pop() if are_all else None

    def labels(self, value: Any, origin: str) -> tuple[str | None, Labels | None]:
        """(the class, None) or (None, the classes) of a cell; (None, None) if it has no label.

        Raises:
            ValueError: not labels: numbers that are not integers, or several labels instead of one.
        """
        if isinstance(value, str) and value.strip() in self.missing:
            return None, None
        if not self.is_multilabel:
            try:
                return class_name(value, origin), None
            except ValueError as error:
                stated = '; data.labels is "one", which few-shot asks for too' * self.is_stated_as_one
                raise ValueError(f"{error}{stated}") from error
        parts = self._parts(_unboxed(value))
        if parts is None:
            return None, None
        if self.num_indicators is not None:
            return None, tuple(
                str(n) for n, part in enumerate(parts) if _INDICATORS[str(part).strip().lower()]
            )
        known = [part for part in parts if not (isinstance(part, str) and part.strip() in self.missing)]
        names = [name for part in known if (name := class_name(part, origin)) is not None]
        if parts and not names and len(known) < len(parts):
            return None, None
        return None, tuple(dict.fromkeys(names))

    def _parts(self, value: Any) -> list[Any] | None:
        if value is None or value == -1 or value != value:  # NaN
            return None
        if isinstance(value, list | tuple):
            return list(value)
        text = str(value).strip()
        if text in ("", "-1") or text in self.missing:
            return None
        if self.separator is not None:
            return [part.strip() for part in text.split(self.separator)]
        if (inside := _BRACKETS.match(text)) is not None:
            return _items(inside[inside.lastgroup])
        if _BARS.search(text):
            return _BARS.split(text)
        if _NUMBERS.fullmatch(text):
            return re.split(r"[\s,]+", text)
        return text.split(",") if self.at_commas else [text]

    @property
    def description(self) -> str:
        """A part of the note on labels."""
        if self.num_indicators is not None:
            return f", 0 or 1 for each of {self.num_indicators} classes"
        several = ", several for each image" if self.is_multilabel else ""
        if not self.found_missing:
            return several
        cells = ", ".join(f"{text!r} in {count} cells" for text, count in self.found_missing)
        return f"{several}; no label: {cells} (data.missing_labels)"

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """For cells of 0 and 1, numbers of all classes, also of those without an image; else None."""
        return None if self.num_indicators is None else tuple(map(str, range(self.num_indicators)))


def _missing(counts: Counter[str], config: DataConfig, origin: str) -> frozenset[str]:
    """The texts that mean no label.

    Raises:
        ValueError: some could also be a class, and `data.missing_labels` is not set.
    """
    if config.missing_labels is not None:
        return frozenset(config.missing_labels)
    if unclear := sorted(_MAYBE_MISSING & counts.keys()):
        text = unclear[0]
        raise ValueError(
            f"{origin}: {counts[text]} labels are {text!r}: expected to know whether that is a class: state "
            f'data.missing_labels = ["{text}"] where it is no label, [] where it is a class'
        )
    return _MISSING


def _unboxed(cell: Any) -> Any:
    """The inner list of a cell that is a list of one list, as for a row of a matrix."""
    return cell[0] if isinstance(cell, list) and len(cell) == 1 and isinstance(cell[0], list) else cell


def _is_marked(text: str) -> bool:
    """Whether a cell's text has the notation of a list."""
    text = text.strip()
    return bool(_BRACKETS.match(text) or _BARS.search(text) or _NUMBERS.fullmatch(text))


def _items(text: str) -> list[str]:
    """The items of a list in the notation of Python, JSON or NumPy, without its brackets."""
    items = [
        next(part for part in found if part) for found in _ITEM.findall(text) if any(map(str.strip, found))
    ]
    if len(items) == 1 and _NUMBERS.fullmatch(items[0].strip()):
        return items[0].split()
    return items
