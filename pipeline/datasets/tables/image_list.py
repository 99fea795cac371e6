"""Lists of images in .csv or .tsv files: columns of paths, of labels or of each class, perhaps of splits."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import filterfalse, islice
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.config.data import DataConfig
from pipeline.datasets.channels.reading import READERS, ChannelReading, has_reader
from pipeline.datasets.image_names import IMAGE_SUFFIXES, LIST_SUFFIXES, is_image_name
from pipeline.datasets.listed_images import ListedImages, inside, num_unlisted
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.split_words import role_of
from pipeline.datasets.tables.class_columns import UncertainLabels, classes_of, find_class_columns
from pipeline.datasets.tables.columns import (
    IMAGES_ALONE,
    LEFT_OUT,
    Columns,
    find_columns,
    has_label_name,
    once,
    refuse_unread_split,
    split_name,
)
from pipeline.datasets.tables.label_cells import LabelCells
from pipeline.datasets.tables.records import header, records
from pipeline.datasets.wrappers import below, below_wrappers

_TRIED = 20  # names of a list that are looked for in each folder
_NAMED = 8  # classes that a note lists
_NO_LABELS = "submission"  # an answer to be filled in: its labels are made up


def image_lists(folder: Path) -> list[Path]:
    """The lists directly in a folder that name images and labels, sorted by name."""
    return [file for file in _tables(folder) if _is_list(file)]


def read_image_lists(config: DataConfig, source: Path) -> ListedImages:
    """Read one list, or all lists of a folder, each then named for its split.

    Paths count from the folder of the list, or from one folder below it. The split is the split column's
    word, else the list's name.

    Raises:
        ValueError: no list, no such columns, lists that differ in their classes' columns, a path outside the
            folder, no images in any folder, or one image twice with two labels or splits.
    """
    root = source.parent if source.is_file() else source
    inner = root if source.is_file() else below_wrappers(root)
    files = [source] if source.is_file() else image_lists(inner) or _tables(inner)
    if not files:
        raise ValueError(f"{source}: expected a .csv or .tsv list of images and labels, found none")
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
    cells = [row[of.label] for file, of in columns.items() if of.label for _, row in records(file)]
    reading = LabelCells(True) if classes else LabelCells.of(cells, config, str(files[0]))
    entries = [
        e for file, of in columns.items() for e in _listed(config, file, of, below(root, inner), reading)
    ]
    notes = [f"labels: {_described(file.name, of, reading)}" for file, of in columns.items()]
    channels = ChannelReading.of(config)
    return ListedImages(
        root,
        once(entries, ", ".join(map(str, files)), are_several=reading.are_several),
        max_bytes=channels.max_bytes if channels else max_file_bytes(config.max_pixels),
        class_names=classes or reading.class_names,
        num_outside=num_unlisted(root, entries, has_reader if channels else is_image_name),
        notes=tuple(notes),
        are_several=reading.are_several,
    )


def _columns(config: DataConfig, file: Path, rows: list[dict[str, Any]] | None = None) -> Columns:
    """The columns of a list; without one of labels, those of the classes.

    Args:
        rows: to look for classes in; None: all.

    Raises:
        ValueError: neither is there.
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
        found = find_class_columns(rows, candidates, str(file))
        if found is None:
            raise
        return Columns(others.image, None, others.split, found.names, found.others)


def _described(name: str, columns: Columns, reading: LabelCells) -> str:
    """How a list's labels are read."""
    if columns.classes:
        unread = f"; not read: {', '.join(columns.unread)}" if columns.unread else ""
        return (
            f"from {name}, {len(columns.classes)} columns of 0 and 1, several for each image: "
            f"{', '.join(columns.classes[:_NAMED])}{', ...' * (len(columns.classes) > _NAMED)}{unread}"
        )
    if not columns.label:
        return LEFT_OUT
    return f"from {name}, columns {columns.image!r} and {columns.label!r}{reading.words}"


def _tables(folder: Path) -> list[Path]:
    found = (file for file in folder.iterdir() if file.suffix.lower() in LIST_SUFFIXES and file.is_file())
    return sorted(file for file in found if _NO_LABELS not in file.name.lower())


def _is_list(file: Path) -> bool:
    """Whether a file names images that are there, and labels that are not just the names of their folders."""
    try:
        rows = [row for _, row in islice(records(file), _TRIED)]
        try:
            columns = _columns(DataConfig(), file, rows)
        except UncertainLabels:  # a list of labels all the same: reading it says what is uncertain
            columns = replace(find_columns(header(file), {"label": ""}, ""), classes=("uncertain",))
        names = [inside(row[columns.image], file.parent.resolve()) for row in rows]
        folder, suffix = _where(file, names)
    except ValueError:
        return False
    paths = (file.parent / f"{folder}{name}{'' if is_image_name(name) else suffix}" for name in names)
    if 2 * sum(path.is_file() for path in paths) <= len(names):
        return False
    if columns.classes:  # images of several folders may have these for classes, and flags in the list
        folders = {tuple(filterfalse(role_of, name.split("/")[:-1])) for name in names}
        return len(folders) == 1
    return any(row[columns.label] not in name.split("/")[:-1] for row, name in zip(rows, names, strict=True))


def _listed(
    config: DataConfig, file: Path, columns: Columns, prefix: str, reading: LabelCells
) -> Iterator[Entry]:
    named = file.stem if role_of(file.stem) else None
    names, labels, splits = [], [], []
    for line, row in records(file):
        origin = f"{file}, line {line}"
        try:
            names.append(inside(row[columns.image], file.parent.resolve()))
        except ValueError as error:
            raise ValueError(f"{origin}: {error}") from error
        if columns.classes:
            labels.append((None, classes_of(row, columns.classes)))
        else:
            labels.append(reading.labels(row[columns.label], origin) if columns.label else (None, None))
        split = split_name(row[columns.split], config.parts, origin) if columns.split else None
        splits.append(split or named)
    is_image = is_image_name if config.channels is None else has_reader
    folder, suffix = _where(file, names, IMAGE_SUFFIXES if config.channels is None else READERS)
    for name, (label, several), split in zip(names, labels, splits, strict=True):
        path = f"{prefix}{folder}{name}{'' if is_image(name) else suffix}"
        yield Entry(path, split, label, target=several)


def _where(file: Path, names: list[str], image_suffixes: Collection[str] = IMAGE_SUFFIXES) -> tuple[str, str]:
    """(folder that a list's names count from, "" or "folder/"; suffix of names that have none)."""
    inside_of = sorted(path for path in file.parent.iterdir() if path.is_dir())
    likely = ("images", file.stem, f"{file.stem}_images")
    inside_of.sort(key=lambda path: path.name not in likely)
    tried = names[:_TRIED]
    for folder in ("", *(f"{path.name}/" for path in inside_of)):
        for name in tried:
            is_complete = PurePosixPath(name).suffix.lower() in image_suffixes
            suffixes = ("",) if is_complete else sorted(image_suffixes)
            for suffix in suffixes:
                if (file.parent / f"{folder}{name}{suffix}").is_file():
                    return folder, suffix
    first = tried[0] if tried else ""
    raise ValueError(
        f"{file}: its images, such as {first!r}, are neither in {file.parent} nor in a folder directly below "
        f"it; {IMAGES_ALONE}"
    )


IMAGE_LISTS = Format(
    read_image_lists,
    lambda path: path.suffix.lower() in LIST_SUFFIXES if path.is_file() else bool(image_lists(path)),
    of_files=True,
)
