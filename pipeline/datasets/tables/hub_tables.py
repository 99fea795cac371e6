"""Tables that hold the images themselves, as the Hugging Face hub has them: .parquet, and saved .arrow."""

import threading
from bisect import bisect_right
from collections import Counter
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
from pipeline.datasets.tables.hub_schema import HubColumns, hub_columns, image_bytes, split_of, suffix_of
from pipeline.datasets.tree import walk

PARQUET, ARROW = ".parquet", ".arrow"
_ROWS = 64  # that are in memory at a time
_LARGE_GROUP = 2**26  # bytes


def table_files(path: Path, suffix: str) -> list[Path]:
    """The table itself, or all of a folder, in the order of a walk."""
    if path.is_file():
        return [path] if path.suffix.lower() == suffix else []
    return [
        Path(folder) / file.name
        for _, folder, files in walk(path)
        for file in files
        if file.name.lower().endswith(suffix) and not file.name.startswith("cache-")
    ]


def holds_tables(suffix: str) -> Callable[[Path], bool]:
    """Whether a path is such a table, or a folder with them and no images beside or below."""

    def is_present(path: Path) -> bool:
        if path.is_file():
            return path.suffix.lower() == suffix
        found = False
        for _, _, files in walk(path):
            if any(is_image_name(file.name) for file in files):
                return False
            found = found or any(file.name.lower().endswith(suffix) for file in files)
        return found

    return is_present


def read_hub_tables(suffix: str, config: DataConfig, path: Path) -> "HubTables":
    """Read one table, or all of a folder, as parts of one data set.

    Raises:
        ValueError: pyarrow is not installed; no such table; a damaged one; tables of different columns or
            class names; no images, or several columns of labels or several labels for one image.
    """
    return HubTables(path, suffix, max_bytes=max_file_bytes(config.max_pixels), stated=dict(config.columns))


class HubTables:
    """Images in the rows of tables; an image's path is `<file>/<row><suffix>`.

    A table of .parquet is read front to back once, a few rows at a time. An image that is read later is found
    in its row group, which is read whole; .arrow files are mapped, and read row by row.

    Args:
        path: a table, or a folder of them.
        suffix: of the tables.
        stated: `data.columns`.
    """

    access = "random"
    annotation = "class"
    num_outside = 0

    def __init__(
        self, path: Path, suffix: str, *, max_bytes: float, stated: dict[str, str] | None = None
    ) -> None:
        _pyarrow(path)
        self._given = (path, suffix, max_bytes, stated or {})
        self._root = path.parent if path.is_file() else path
        self._max_bytes = max_bytes
        self._files = [file.relative_to(self._root).as_posix() for file in table_files(path, suffix)]
        if not self._files:
            raise ValueError(f"{path}: expected {suffix} tables, found none")
        self._open = _Parquet if suffix == PARQUET else _Arrow
        self._opened = threading.local()
        self._columns = self._common_columns()

    def __reduce__(self):
        path, suffix, max_bytes, stated = self._given
        return partial(HubTables, max_bytes=max_bytes, stated=stated), (path, suffix)

    def _common_columns(self) -> HubColumns:
        found = {
            name: hub_columns(self._table(name).schema, self._given[3], str(self._root / name))
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

    def _table(self, name: str) -> "_Parquet | _Arrow":
        """A table, opened once in each thread."""
        tables = self._opened.__dict__.setdefault("tables", {})
        if name not in tables:
            tables[name] = self._open(self._root / name)
        return tables[name]

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Those of the tables, else the labels themselves."""
        if self._columns.class_names is not None or self._columns.label is None:
            return self._columns.class_names or ()
        return label_order({name for _, _, name in self._labels() if name is not None})

    @property
    def notes(self) -> tuple[str, ...]:
        """How the tables were read."""
        columns = self._columns
        lines = [
            f"tables: images in {columns.image!r}, labels in {columns.label!r}"
            if columns.label
            else "no labels"
        ]
        groups = [
            size
            for name in self._files
            if (size := self._table(name).group_bytes(columns.image)) > _LARGE_GROUP
        ]
        if groups:
            lines.append(
                f"caution: row groups of up to {max(groups) / 2**20:.0f} MiB: each image that is read again "
                "reads its group whole; keep the images in data.max_store_gib, or write smaller row groups"
            )
        return tuple(lines)

    def __len__(self) -> int:
        return sum(len(self._table(name)) for name in self._files)

    def _labels(self) -> Iterator[tuple[str, int, str | None]]:
        """(file, row, class) of every row, without its image."""
        for name in self._files:
            for row, label in enumerate(self._table(name).column(self._columns.label)):
                yield name, row, self._named(label, name, row)

    def _named(self, label: Any, name: str, row: int) -> str | None:
        origin = f"{self._root / name}, row {row}"
        names = self._columns.class_names
        if names is None or not isinstance(label, int):
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
            for row, cells in enumerate(self._table(name).rows(wanted)):
                label = self._named(cells[self._columns.label], name, row) if self._columns.label else None
                path = f"{name}/{row:06d}{suffix_of(cells[self._columns.image])}"
                try:
                    data, problem = self._bytes(cells[self._columns.image], name), None
                except UndecodableImage as error:
                    data, problem = None, str(error)
                except OSError as error:
                    data, problem = None, f"cannot be read: {error.strerror or error}"
                yield Entry(path, split, label, start=row, size=len(data or b""), data=data, problem=problem)

    def read(self, path: str, start: int, size: int) -> bytes:
        """The file in row `start` of the table that `path` begins with.

        Raises:
            UndecodableImage: no image, or too large a one.
            OSError: the table, or the file that it names, cannot be read.
        """
        name = path.rpartition("/")[0]
        return self._bytes(self._table(name).cell(self._columns.image, start), name)

    def _bytes(self, cell: Any, name: str) -> bytes:
        return image_bytes(cell, (self._root / name).parent, self._max_bytes)


class _Parquet:
    """One .parquet file."""

    def __init__(self, path: Path) -> None:
        arrow = _pyarrow(path)
        self._path = path
        self._errors = (arrow.ArrowException, OSError)
        try:
            self._file = arrow.parquet.ParquetFile(path, memory_map=True)
        except self._errors as error:
            raise self._damaged(error) from error
        self.schema = self._file.schema_arrow
        metadata = self._file.metadata
        self._ends = []
        for number in range(metadata.num_row_groups):
            self._ends.append((self._ends[-1] if self._ends else 0) + metadata.row_group(number).num_rows)

    def __len__(self) -> int:
        return self._file.metadata.num_rows

    def group_bytes(self, column: str) -> int:
        """Bytes of the largest row group's values of a column."""
        metadata = self._file.metadata
        sizes = Counter()
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for place in range(group.num_columns):
                if group.column(place).path_in_schema.split(".")[0] == column:
                    sizes[number] += group.column(place).total_uncompressed_size
        return max(sizes.values(), default=0)

    def rows(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """{column: value} of every row, a few in memory at a time."""
        try:
            for number in range(self._file.metadata.num_row_groups):
                for batch in self._file.iter_batches(_ROWS, row_groups=[number], columns=columns):
                    yield from batch.to_pylist()
        except self._errors as error:
            raise self._damaged(error) from error

    def column(self, name: str) -> Iterator[Any]:
        """Every value of a column."""
        for row in self.rows([name]):
            yield row[name]

    def cell(self, column: str, row: int) -> Any:
        """One value."""
        group = bisect_right(self._ends, row)
        before = self._ends[group - 1] if group else 0
        try:
            return self._file.read_row_group(group, columns=[column]).column(0)[row - before].as_py()
        except self._errors as error:
            raise UndecodableImage(str(self._damaged(error))) from error

    def _damaged(self, error: Exception) -> ValueError:
        return ValueError(f"{self._path}: damaged .parquet file: {error}")


class _Arrow:
    """One .arrow file, mapped into memory."""

    def __init__(self, path: Path) -> None:
        arrow = _pyarrow(path)
        try:
            source = arrow.memory_map(str(path))
            self._table = arrow.ipc.open_stream(source).read_all()
        except (arrow.ArrowException, OSError) as error:
            raise ValueError(f"{path}: damaged .arrow file, or not one of save_to_disk: {error}") from error
        self.schema = self._table.schema

    def __len__(self) -> int:
        return self._table.num_rows

    def group_bytes(self, column: str) -> int:
        """0: any row is read alone."""
        return 0

    def rows(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """{column: value} of every row."""
        for batch in self._table.select(columns).to_batches(max_chunksize=_ROWS):
            yield from batch.to_pylist()

    def column(self, name: str) -> Iterator[Any]:
        """Every value of a column."""
        yield from self._table.column(name).to_pylist()

    def cell(self, column: str, row: int) -> Any:
        """One value."""
        return self._table.column(column)[row].as_py()


def _pyarrow(path: Path) -> Any:
    """pyarrow with the modules that are used here.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError(
            f"{path}: .parquet and .arrow tables are read with pyarrow, which is not installed: "
            "python -m pip install 'hssl-pipeline[hub]'"
        ) from error
    return pyarrow


PARQUET_TABLES = Format(partial(read_hub_tables, PARQUET), holds_tables(PARQUET), of_files=True)
ARROW_TABLES = Format(partial(read_hub_tables, ARROW), holds_tables(ARROW), of_files=True)
