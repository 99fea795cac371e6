"""Reads the rows of .csv, .tsv, .jsonl and .parquet files."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.split_words import role_of
from pipeline.datasets.tables.table_files import PARQUET, ParquetFile
from pipeline.storage.foreign_json import parse_json

_DELIMITERS = ",;\t"
_INDEX = "__index_level_"  # prefix of pandas' columns of row numbers


def header(file: Path) -> list[str]:
    """Names of a table's columns; of .jsonl the keys of its first line.

    A .csv or .tsv whose first line is an image already has the columns path, split and label, or numbers
    from 0 for several others, by what that line holds.

    Raises:
        ValueError: there are none, two columns have the same name, or the first line names two images; a
            .parquet file is damaged, or pyarrow is not installed.
    """
    if file.suffix.lower() == PARQUET:
        return [name for name in ParquetFile(file).schema.names if not name.startswith(_INDEX)]
    if file.suffix.lower() == ".jsonl":
        return list(next(records(file), (0, {}))[1])
    return _first_line(file).names


def is_unnamed(file: Path) -> bool:
    """Whether the first line of a .csv or .tsv file is an image already.

    Raises:
        ValueError: text that is not UTF-8.
    """
    return file.suffix.lower() not in (PARQUET, ".jsonl") and _first_line(file).is_a_row


def records(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line in the file, {column: value}) of every row; values of .csv and .tsv are text.

    For .parquet the row's number, from 0, and values of any type.

    Raises:
        ValueError: an invalid line, or text that is not UTF-8; the message names file and line.
    """
    if file.suffix.lower() == PARQUET:
        yield from enumerate(ParquetFile(file).rows(header(file)))
        return
    try:
        yield from _json_lines(file) if file.suffix.lower() == ".jsonl" else _separated(file)
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected text in UTF-8: {error}") from error
    except csv.Error as error:
        raise ValueError(f"{file}: {error}") from error


def place_of_row(file: Path, number: int) -> str:
    """The position of a row, for messages; `number` as given by `records`."""
    return f"{file}, {'row' if file.suffix.lower() == PARQUET else 'line'} {number}"


class _FirstLine(NamedTuple):
    """The first line of a .csv or .tsv file."""

    names: list[str]  # of the columns
    is_a_row: bool  # it holds an image, no names
    delimiter: str


def _first_line(file: Path) -> _FirstLine:
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            return _understood(file, stream.readline())
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected text in UTF-8: {error}") from error


def _understood(file: Path, line: str) -> _FirstLine:
    delimiter = "\t" if file.suffix.lower() == ".tsv" else max(_DELIMITERS, key=line.count)
    found = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    cells = [cell.strip() for cell in found]
    if any(map(is_image_name, cells)):
        return _FirstLine(_unnamed(file, cells), True, delimiter)
    if len(set(cells)) != len(cells) or not any(cells):
        raise ValueError(f"{file}: expected distinct names of columns in the first line, found {cells}")
    return _FirstLine(cells, False, delimiter)


def _separated(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(file, encoding="utf-8-sig", newline="") as stream:
        first = _understood(file, stream.readline())
        if first.is_a_row:
            stream.seek(0)
        num_names = len(first.names)
        rows = csv.reader(stream, delimiter=first.delimiter, skipinitialspace=True)
        for row in rows:
            line = rows.line_num + (not first.is_a_row)
            if not row:
                continue
            if len(row) != num_names:
                raise ValueError(f"{file}, line {line}: expected {num_names} columns, found {len(row)}")
            yield line, dict(zip(first.names, row, strict=True))


def _unnamed(file: Path, cells: list[str]) -> list[str]:
    """Names of columns by the cells of an image: split, path, labels (Google AutoML), or path, label."""
    images = [place for place, cell in enumerate(cells) if is_image_name(cell)]
    if len(images) > 1 or len(cells) == 1:
        raise ValueError(
            f"{file}: expected a first line that names the columns, e.g. path,label, found {cells}"
        )
    others = [place for place in range(len(cells)) if place not in images]
    splits = [place for place in others if role_of(cells[place]) in ("train", "val", "test")]
    splits = splits if len(splits) == 1 and len(others) > 1 else []
    labels = [place for place in others if place not in splits]
    names = {images[0]: "path", **dict.fromkeys(splits, "split")}
    if len(labels) == 1:
        names[labels[0]] = "label"
    else:
        names |= {place: str(number) for number, place in enumerate(labels)}
    return [names[place] for place in range(len(cells))]


def _json_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(file, encoding="utf-8-sig") as stream:
        for line, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            try:
                row = parse_json(text)
            except ValueError as error:
                raise ValueError(f"{file}, line {line}: expected JSON: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"{file}, line {line}: expected keys and values, found {text[:40]!r}")
            yield line, row
