"""Lists of images in .csv or .tsv files: a column of paths, one of labels, and perhaps one of splits."""

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

from pipeline.config.data import DataConfig
from pipeline.datasets.channels.reading import READERS, ChannelReading, has_reader
from pipeline.datasets.image_names import IMAGE_SUFFIXES, LIST_SUFFIXES, is_image_name
from pipeline.datasets.listed_images import ListedImages, inside, num_unlisted
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.split_words import role_of
from pipeline.datasets.tables.columns import (
    IMAGES_ALONE,
    LEFT_OUT,
    Columns,
    class_name,
    find_columns,
    once,
    refuse_lists,
    refuse_unread_split,
    split_name,
)
from pipeline.datasets.tables.records import header, records
from pipeline.datasets.wrappers import below, below_wrappers

_TRIED = 20  # names of a list that are looked for in each folder
_NO_LABELS = "submission"  # an answer to be filled in: its labels are made up


def image_lists(folder: Path) -> list[Path]:
    """The lists directly in a folder that name images and labels, sorted by name."""
    return [file for file in _tables(folder) if _is_list(file)]


def read_image_lists(config: DataConfig, source: Path) -> ListedImages:
    """Read one list, or all lists of a folder, each then named for its split.

    Paths count from the folder of the list, or from one folder below it. The split is the split column's
    word, else the list's name.

    Raises:
        ValueError: no list, no such columns, a path outside the folder, no images in any folder, one image
            twice with two labels or splits, or several labels for one image.
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
    entries, notes = [], []
    for file in files:
        columns = find_columns(header(file), config.columns, str(file))
        refuse_unread_split(header(file), config.columns, str(file))
        entries += _listed(config, file, columns, below(root, inner))
        names = f"from {file.name}, columns {columns.image!r} and {columns.label!r}"
        notes.append(f"labels: {names if columns.label else LEFT_OUT}")
    refuse_lists({entry.class_name for entry in entries} - {None}, str(files[0]))
    reading = ChannelReading.of(config)
    return ListedImages(
        root,
        once(entries, ", ".join(map(str, files))),
        max_bytes=reading.max_bytes if reading else max_file_bytes(config.max_pixels),
        num_outside=num_unlisted(root, entries, has_reader if reading else is_image_name),
        notes=tuple(notes),
    )


def _tables(folder: Path) -> list[Path]:
    found = (file for file in folder.iterdir() if file.suffix.lower() in LIST_SUFFIXES and file.is_file())
    return sorted(file for file in found if _NO_LABELS not in file.name.lower())


def _is_list(file: Path) -> bool:
    """Whether a file names images that are there, and labels that are not just the names of their folders."""
    try:
        columns = find_columns(header(file), {}, "")
        rows = [row for _, row in islice(records(file), _TRIED)]
        names = [inside(row[columns.image], file.parent.resolve()) for row in rows]
        folder, suffix = _where(file, names)
    except ValueError:
        return False
    paths = (file.parent / f"{folder}{name}{'' if is_image_name(name) else suffix}" for name in names)
    if 2 * sum(path.is_file() for path in paths) <= len(names):
        return False
    return any(row[columns.label] not in name.split("/")[:-1] for row, name in zip(rows, names, strict=True))


def _listed(config: DataConfig, file: Path, columns: Columns, prefix: str) -> Iterator[Entry]:
    named = file.stem if role_of(file.stem) else None
    names, labels, splits = [], [], []
    for line, row in records(file):
        origin = f"{file}, line {line}"
        try:
            names.append(inside(row[columns.image], file.parent.resolve()))
        except ValueError as error:
            raise ValueError(f"{origin}: {error}") from error
        labels.append(class_name(row[columns.label], origin) if columns.label else None)
        split = split_name(row[columns.split], config.parts, origin) if columns.split else None
        splits.append(split or named)
    is_image = is_image_name if config.channels is None else has_reader
    folder, suffix = _where(file, names, IMAGE_SUFFIXES if config.channels is None else READERS)
    for name, label, split in zip(names, labels, splits, strict=True):
        yield Entry(f"{prefix}{folder}{name}{'' if is_image(name) else suffix}", split, label)


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
