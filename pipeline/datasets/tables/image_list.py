"""Lists of images in .csv, .tsv or .parquet files: columns of paths, labels or classes, maybe splits."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import filterfalse, islice
from pathlib import Path
from typing import Any

from pipeline.config.data import DataConfig
from pipeline.datasets.channels.reading import READERS, ChannelReading, has_reader
from pipeline.datasets.image_names import IMAGE_SUFFIXES, LIST_SUFFIXES, is_image_name
from pipeline.datasets.listed_images import ListedImages, num_unlisted
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.split_words import role_of
from pipeline.datasets.tables.class_columns import UncertainLabels, classes_of, find_class_columns
from pipeline.datasets.tables.columns import (
    LEFT_OUT,
    Columns,
    find_columns,
    has_label_name,
    once,
    refuse_unread_split,
    split_name,
)
from pipeline.datasets.tables.label_cells import LabelCells
from pipeline.datasets.tables.listed_paths import ListedPaths
from pipeline.datasets.tables.records import header, is_unnamed, place_of_row, records
from pipeline.datasets.tables.split_lists import SplitLists
from pipeline.datasets.wrappers import below, below_wrappers

_TRIED = 20  # rows used to decide whether a table is a list
_FEWEST_IN_A_CLASS = 5  # images, if each folder is a class
_NAMED = 8  # classes that a note lists
_NO_LABELS = "submission"  # a template of predictions, whose labels are placeholders


def image_lists(folder: Path) -> list[Path]:
    """The lists of images and labels directly in a folder, sorted by name."""
    return [file for file in _tables(folder) if _is_list(file)]


def read_image_lists(config: DataConfig, source: Path) -> ListedImages:
    """Read one list, or all lists of a folder, each named for its split.

    For the images' paths see `ListedPaths`. The split comes from the split column, else from the list's name,
    else from a text file beside it that lists the image.

    Raises:
        ValueError: no list, no such columns, lists with different class columns, no images in any folder, or
            one image twice with two labels or splits.
    """
    root = source.parent if source.is_file() else source
    inner = root if source.is_file() else below_wrappers(root)
    files = [source] if source.is_file() else image_lists(inner) or _tables(inner)
    if not files:
        raise ValueError(f"{source}: expected a .csv, .tsv or .parquet list of images and labels, found none")
    nameless = [file.name for file in files if role_of(file.stem) is None]
    if len(files) > 1 and nameless:
        raise ValueError(
            f"{inner}: expected one list, or lists named for their splits, found "
            f"{', '.join(file.name for file in files)}: state one of them as data.source"
        )
    columns = {file: _columns(config, file) for file in files}
    for file, found in columns.items():
        refuse_unread_split(header(file), config.columns, found, str(file))
    classes = columns[files[0]].classes
    if differing := [file for file in files if columns[file].classes != classes]:
        raise ValueError(
            f"{differing[0]}: expected the columns of classes of {files[0].name}, {list(classes)}, found "
            f"{list(columns[differing[0]].classes)}"
        )
    if config.uncertain_labels and not classes:
        raise ValueError(f"{files[0]}: data.uncertain_labels: expected a column of 0 and 1 for each class")
    cells = [row[of.label] for file, of in columns.items() if of.label for _, row in records(file)]
    reading = LabelCells(True) if classes else LabelCells.of(cells, config, str(files[0]))
    notes = [f"labels: {_described(file.name, of, reading)}" for file, of in columns.items()]
    notes += [
        f"{file.name}: no line of names: columns taken for {', '.join(header(file))}"
        for file in files
        if is_unnamed(file)
    ]
    prefix = below(root, inner)
    entries = [e for file, of in columns.items() for e in _listed(config, file, of, prefix, reading, notes)]
    channels = ChannelReading.of(config)
    return ListedImages(
        root,
        once(entries, ", ".join(map(str, files)), is_multilabel=reading.is_multilabel),
        max_bytes=channels.max_bytes if channels else max_file_bytes(config.max_pixels),
        class_names=classes or reading.class_names,
        num_outside=num_unlisted(root, entries, has_reader if channels else is_image_name),
        notes=tuple(notes),
        is_multilabel=reading.is_multilabel,
    )


def _columns(config: DataConfig, file: Path, rows: list[dict[str, Any]] | None = None) -> Columns:
    """The columns of a list; if none of them is a column of labels, those of the classes.

    Args:
        rows: rows in which to look for classes; None: all.

    Raises:
        ValueError: neither exists.
    """
    names, stated = header(file), dict(config.columns)
    try:
        return find_columns(names, stated, str(file))
    except ValueError:
        if "label" in stated or config.labels == "one" or has_label_name(names):
            raise
        others = find_columns(names, {**stated, "label": ""}, str(file))
        rows = [row for _, row in records(file)] if rows is None else rows
        candidates = [name for name in names if name not in (others.image, others.split)]
        is_read = config.uncertain_labels is not None
        found = find_class_columns(rows, candidates, str(file), is_uncertain_read=is_read)
        if found is None:
            raise
        return Columns(others.image, None, others.split, found.names, found.others)


def _described(name: str, columns: Columns, reading: LabelCells) -> str:
    """A note on how a list's labels are read."""
    if columns.classes:
        unread = f"; not read: {', '.join(columns.unread)}" if columns.unread else ""
        return (
            f"from {name}, {len(columns.classes)} columns of 0 and 1, several for each image: "
            f"{', '.join(columns.classes[:_NAMED])}{', ...' * (len(columns.classes) > _NAMED)}{unread}"
        )
    if not columns.label:
        return LEFT_OUT
    return f"from {name}, columns {columns.image!r} and {columns.label!r}{reading.description}"


def _tables(folder: Path) -> list[Path]:
    found = (file for file in folder.iterdir() if file.suffix.lower() in LIST_SUFFIXES and file.is_file())
    return sorted(file for file in found if _NO_LABELS not in file.name.lower())


def _is_list(file: Path) -> bool:
    """Whether a file names existing images, with labels that are not just the names of their folders."""
    try:
        rows = [row for _, row in islice(records(file), _TRIED)]
        try:
            columns = _columns(DataConfig(), file, rows)
        except UncertainLabels:  # still a list of labels; reading it reports what is uncertain
            columns = replace(find_columns(header(file), {"label": ""}, ""), classes=("uncertain",))
        names = [str(row[columns.image]) for row in rows]
        paths = ListedPaths(file, names, IMAGE_SUFFIXES)
        found = [paths.locate(name, None).path for name in names]
    except ValueError:
        return False
    if 2 * sum((file.parent / path).is_file() for path in found) <= len(names):
        return False
    folders = [list(filterfalse(role_of, path.split("/")[:-1])) for path in found]
    if columns.classes:  # with images in several folders, the folders may be classes, and the columns flags
        return len({tuple(names) for names in folders}) == 1 or _are_many(file, columns.image)
    return any(row[columns.label] not in path.split("/")[:-1] for row, path in zip(rows, found, strict=True))


def _are_many(file: Path, image: str) -> bool:
    """Whether there are too many folders of images for classes, as with a folder per patient."""
    names = [str(row[image]).replace("\\", "/") for _, row in records(file)]
    return len({name.rpartition("/")[0] for name in names}) * _FEWEST_IN_A_CLASS > len(names)


def _listed(
    config: DataConfig, file: Path, columns: Columns, prefix: str, reading: LabelCells, notes: list[str]
) -> Iterator[Entry]:
    names, labels, splits, places = [], [], [], []
    for number, row in records(file):
        origin = place_of_row(file, number)
        places.append(number)
        names.append("" if row[columns.image] is None else str(row[columns.image]))
        if columns.classes:
            labels.append((None, classes_of(row, columns.classes, config.uncertain_labels)))
        else:
            labels.append(reading.labels(row[columns.label], origin) if columns.label else (None, None))
        splits.append(split_name(row[columns.split], config.parts, origin) if columns.split else None)
    named = file.stem if role_of(file.stem) else None
    lists = SplitLists() if named or columns.split else SplitLists.beside(file, names)
    paths = ListedPaths(file, names, IMAGE_SUFFIXES if config.channels is None else READERS)
    for number, name, (label, several), split in zip(places, names, labels, splits, strict=True):
        split = split or named or lists.split_of(name)
        try:
            place = paths.locate(name, split)
        except ValueError as error:
            raise ValueError(f"{place_of_row(file, number)}: {error}") from error
        yield Entry(f"{prefix}{place.path}", split, label, target=several, problem=place.problem)
    notes += [note for note in (lists.note, paths.note) if note]


IMAGE_LISTS = Format(
    read_image_lists,
    lambda path: path.suffix.lower() in LIST_SUFFIXES if path.is_file() else bool(image_lists(path)),
    of_files=True,
)
