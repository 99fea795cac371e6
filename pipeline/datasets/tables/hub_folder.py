"""Image folders of the Hugging Face hub: metadata.csv, .jsonl or .parquet in them have each file's label."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.foreign_paths import find_below, leads_elsewhere, path_parts
from pipeline.datasets.listed_images import ListedImages, num_unlisted
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.split_words import whole_role
from pipeline.datasets.tables.columns import (
    LEFT_OUT,
    Columns,
    find_columns,
    once,
    refuse_unread_split,
    split_name,
)
from pipeline.datasets.tables.label_cells import LabelCells
from pipeline.datasets.tables.records import header, place_of_row, records
from pipeline.datasets.tree import walk

_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE = "file_name"


def metadata_files(root: Path) -> list[Path]:
    """The metadata files in a folder and directly below it, where the hub looks for them first."""
    found = [root / name for name in _NAMES]
    found += sorted(path for name in _NAMES for path in root.glob(f"*/{name}"))
    return [path for path in found if path.is_file()]


def is_hub_folder(root: Path) -> bool:
    """Whether there are metadata files, and the first of them has labels."""
    files = metadata_files(root)
    try:
        return bool(files) and bool(find_columns(header(files[0]), {"image": _FILE}, ""))
    except ValueError:
        return False


def read_hub_folder(config: DataConfig, root: Path) -> ListedImages:
    """Read every metadata.csv, .jsonl and .parquet at any depth.

    `file_name` is relative to the metadata file's folder; absolute paths lose the leading folders that do not
    exist.

    The split comes from the split column, else from the folder named for one. Folders are not classes then,
    as in the `datasets` library.

    Raises:
        ValueError: no metadata, no column of labels, or one image twice with two labels.
    """
    files = [Path(path) / file.name for _, path, found in walk(root) for file in found if file.name in _NAMES]
    if not files:
        raise ValueError(f"{root}: expected {' or '.join(_NAMES)} beside images, found none")
    names = ", ".join(file.relative_to(root).as_posix() for file in files)
    columns = {
        file: find_columns(header(file), {"image": _FILE, **config.columns}, str(file)) for file in files
    }
    cells = [row.get(of.label) for file, of in columns.items() if of.label for _, row in records(file)]
    reading = LabelCells.of(cells, config, str(files[0]))
    listed = (e for file, of in columns.items() for e in _listed(config, file, root, of, reading))
    entries = once(listed, f"{root}: {names}", is_multilabel=reading.is_multilabel)
    source = f"from {names}{reading.description}"
    return ListedImages(
        root,
        entries,
        max_bytes=max_file_bytes(config.max_pixels),
        class_names=reading.class_names,
        num_outside=num_unlisted(root, entries),
        notes=(f"labels: {LEFT_OUT if config.columns.get('label') == '' else source}",),
        is_multilabel=reading.is_multilabel,
    )


def _listed(
    config: DataConfig, file: Path, root: Path, columns: Columns, reading: LabelCells
) -> Iterator[Entry]:
    refuse_unread_split(header(file), config.columns, columns, str(file))
    folder = file.parent.relative_to(root).as_posix()
    folders = () if folder == "." else tuple(folder.split("/"))
    prefix = "" if folder == "." else f"{folder}/"
    for line, row in records(file):
        origin = place_of_row(file, line)
        value = row.get(columns.image)
        parts = path_parts(value) if isinstance(value, str) and "\0" not in value else ()
        if not parts:
            raise ValueError(f"{origin}: expected {columns.image} to be a path, found {value!r}")
        found = find_below(file.parent, value) if leads_elsewhere(value) else None
        name = found or "/".join(parts)
        path = f"{prefix}{name}"
        word = split_name(row.get(columns.split), config.parts, origin) if columns.split else None
        by_folder = next((part for part in (*folders, *name.split("/")[:-1]) if whole_role(part)), None)
        label, several = reading.labels(row.get(columns.label), origin) if columns.label else (None, None)
        yield Entry(path, word or by_folder, label, target=several)


HUB_FOLDER = Format(read_hub_folder, is_hub_folder)
