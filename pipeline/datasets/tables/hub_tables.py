"""Tables with the images themselves, in the formats of the Hugging Face hub: .parquet, and saved .arrow."""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.config.data import DataConfig
from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.listed_images import label_order
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.tables.columns import class_name
from pipeline.datasets.tables.hub_cells import IMAGE_KINDS, suffix_of
from pipeline.datasets.tables.hub_schema import HubColumns, hub_columns, split_of
from pipeline.datasets.tables.hub_shards import missing_shards, refuse_configurations
from pipeline.datasets.tables.label_cells import LabelCells, Labels
from pipeline.datasets.tables.table_files import ARROW, PARQUET, TableFiles
from pipeline.datasets.tree import walk

_MAYBE_SEVERAL = ("list", "fixed_size_list", "string")  # types; others are a single label
_LARGE_GROUP = 2**26  # bytes
_SHOWN = 5  # columns that a note lists


def table_files(path: Path, suffix: str) -> list[Path]:
    """The table itself, or all tables of a folder, in the order of a walk."""
    if path.is_file():
        return [path] if path.suffix.lower() == suffix else []
    return [
        Path(folder) / file.name
        for _, folder, files in walk(path)
        for file in files
        if file.name.lower().endswith(suffix) and not file.name.startswith("cache-")
    ]


def holds_tables(suffix: str) -> Callable[[Path], bool]:
    """A test whether a path is such a table, or a folder with them and no images in or below it."""

    def is_present(path: Path) -> bool:
        if path.is_file():
            return path.suffix.lower() == suffix and _holds_images(path)
        found = False
        for _, _, files in walk(path):
            if any(is_image_name(file.name) for file in files):
                return False
            found = found or any(file.name.lower().endswith(suffix) for file in files)
        return found

    return is_present


def _holds_images(path: Path) -> bool:
    """Whether a table contains images; a list of paths does not. True if that cannot be told."""
    try:
        tables = TableFiles(path, path.suffix.lower(), max_bytes=0, stated={})
        kinds = [str(kind) for kind in tables.table(path.name).schema.types]
    except ValueError:
        return True  # reading it reports the reason
    return any(kind.startswith(IMAGE_KINDS) for kind in kinds)


def read_hub_tables(suffix: str, config: DataConfig, path: Path) -> "HubTables":
    """Read one table, or all tables of a folder as parts of one data set.

    Raises:
        ValueError: pyarrow is not installed; no such table; a damaged one; tables with different columns or
            class names; no images, or several columns of labels.
    """
    return HubTables(path, suffix, max_bytes=max_file_bytes(config.max_pixels), config=config)


class HubTables:
    """Images in the rows of tables; an image's path is `<file>/<row><suffix>`.

    A .parquet table is read front to back once, a few rows at a time. To read an image later, its whole row
    group is read; .arrow files are mapped, and read row by row.

    Args:
        path: a table, or a folder of them.
        suffix: of the tables.
        config: for its columns and number of labels per image; None: as found.
    """

    access = "random"
    annotation = "class"
    num_outside = 0

    def __init__(
        self, path: Path, suffix: str, *, max_bytes: float, config: DataConfig | None = None
    ) -> None:
        self._config = config or DataConfig()
        self._stated = dict(self._config.columns)
        self._given = (path, suffix, max_bytes)
        self._tables = TableFiles(path, suffix, max_bytes=max_bytes, stated=self._stated)
        self._root = self._tables.root
        self._files = [file.relative_to(self._root).as_posix() for file in table_files(path, suffix)]
        if not self._files:
            raise ValueError(f"{path}: expected {suffix} tables, found none")
        refuse_configurations(self._root, self._files)
        self._columns = self._common_columns()

    def __reduce__(self):
        path, suffix, max_bytes = self._given
        return partial(HubTables, max_bytes=max_bytes, config=self._config), (path, suffix)

    def _common_columns(self) -> HubColumns:
        found = {
            name: hub_columns(self._tables.table(name).schema, self._stated, str(self._root / name))
            for name in self._files
        }
        first = self._files[0]
        for name, columns in found.items():
            if columns != found[first]:
                raise ValueError(
                    f"{self._root / name}: expected the columns and classes of {first}, {found[first]}, "
                    f"found {columns}; state one configuration's folder as data.source"
                )
        return found[first]

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Those of the tables, else the labels themselves."""
        if self._columns.class_names is not None or self._columns.label is None:
            return self._columns.class_names or ()
        if self._reading.class_names is not None:
            return self._reading.class_names
        found: set[str] = set()
        for name, several in self._labels():
            found |= {name} if name is not None else set(several or ())
        return label_order(found)

    @property
    def is_multilabel(self) -> bool:
        """Whether an image may have any number of classes."""
        return self._reading.is_multilabel

    @cached_property
    def _reading(self) -> LabelCells:
        label = self._columns.label
        if label is None:
            return LabelCells(False)
        kind = str(self._tables.table(self._files[0]).schema.field(label).type)
        if self._config.labels is None and not kind.removeprefix("large_").startswith(_MAYBE_SEVERAL):
            return LabelCells(False)  # a number is one label
        cells = (cell for name in self._files for cell in self._tables.table(name).column(label))
        return LabelCells.of(cells, self._config, str(self._root / self._files[0]))

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on how the tables were read."""
        columns = self._columns
        labels = f"labels in {columns.label!r}{self._reading.description}" if columns.label else "no labels"
        all_columns = self._tables.table(self._files[0]).schema.names
        left = [name for name in all_columns if name not in (columns.image, columns.label)]
        more = ", ..." if len(left) > _SHOWN else ""
        unread = f"; not read: {', '.join(left[:_SHOWN])}{more}" if left else ""
        lines = [f"tables: images in {columns.image!r}, {labels}{unread}", *missing_shards(self._files)]
        groups = [
            size
            for name in self._files
            if (size := self._tables.table(name).group_bytes(columns.image)) > _LARGE_GROUP
        ]
        if groups:
            lines.append(
                f"caution: row groups of up to {max(groups) / 2**20:.0f} MiB: each image that is read again "
                "reads its group whole; keep the images in data.max_store_gib, or write smaller row groups"
            )
        return tuple(lines)

    def __len__(self) -> int:
        return sum(len(self._tables.table(name)) for name in self._files)

    def _labels(self) -> Iterator[tuple[str | None, Labels | None]]:
        """Class or classes of every row, without its image."""
        for name in self._files:
            for row, label in enumerate(self._tables.table(name).column(self._columns.label)):
                yield self._named(label, name, row)

    def _named(self, label: Any, name: str, row: int) -> tuple[str | None, Labels | None]:
        origin = f"{self._root / name}, row {row}"
        if self._columns.class_names is None:
            return self._reading.labels(label, origin)
        if not self.is_multilabel:
            return self._by_number(label, origin), None
        if label is None or label == -1:
            return None, None
        named = [self._by_number(each, origin) for each in (label if isinstance(label, list) else [label])]
        return None, tuple(dict.fromkeys(each for each in named if each is not None))

    def _by_number(self, label: Any, origin: str) -> str | None:
        names = self._columns.class_names
        if not isinstance(label, int):
            return class_name(label, origin)
        if not -1 <= label < len(names):
            raise ValueError(
                f"{origin}: expected a label below {len(names)}, as many as class names, found {label}"
            )
        return None if label == -1 else names[label]

    def entries(self) -> Iterator[Entry]:
        """Every row with its image, in the order of the files."""
        wanted = [name for name in (self._columns.image, self._columns.label) if name is not None]
        for name in self._files:
            split = split_of(PurePosixPath(name))
            for row, cells in enumerate(self._tables.table(name).rows(wanted)):
                label, several = None, None
                if self._columns.label:
                    label, several = self._named(cells[self._columns.label], name, row)
                path = f"{name}/{row:06d}{suffix_of(cells[self._columns.image])}"
                try:
                    data, problem = self._tables.file_in(cells[self._columns.image], name), None
                except UndecodableImage as error:
                    data, problem = None, str(error)
                except OSError as error:
                    data, problem = None, f"cannot be read: {error.strerror or error}"
                size = len(data or b"")
                yield Entry(
                    path, split, label, start=row, size=size, data=data, problem=problem, target=several
                )

    def read(self, path: str, start: int, size: int) -> bytes:
        """The file in row `start` of a table; as `TableFiles.read`."""
        return self._tables.read(path, start, size)


PARQUET_TABLES = Format(partial(read_hub_tables, PARQUET), holds_tables(PARQUET), of_files=True)
ARROW_TABLES = Format(partial(read_hub_tables, ARROW), holds_tables(ARROW), of_files=True)
