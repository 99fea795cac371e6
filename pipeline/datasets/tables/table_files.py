"""Reads rows of .parquet and .arrow files, and the images in them."""

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.tables.hub_cells import image_bytes, image_column
from pipeline.storage.arrow import pyarrow

PARQUET, ARROW = ".parquet", ".arrow"
_ROWS = 64  # in memory at a time


class TableFiles:
    """The tables below a folder; an image's path is `<file>/<row><suffix>`.

    Args:
        path: a table, or a folder of them.
        suffix: of the tables.
        max_bytes: of the largest image.
        stated: `data.columns`.

    Raises:
        ValueError: pyarrow is not installed.
    """

    def __init__(self, path: Path, suffix: str, *, max_bytes: float, stated: Mapping[str, str]) -> None:
        pyarrow(f"{path}: .parquet and .arrow tables are read")
        self.root = path.parent if path.is_file() else path
        self._open = ParquetFile if suffix == PARQUET else _Arrow
        self._max_bytes = max_bytes
        self._stated = stated
        self._opened = threading.local()

    def table(self, name: str) -> "ParquetFile | _Arrow":
        """A table, opened once in each thread.

        Raises:
            ValueError: it is damaged.
        """
        tables = self._opened.__dict__.setdefault("tables", {})
        if name not in tables:
            tables[name] = self._open(self.root / name)
        return tables[name]

    def read(self, path: str, start: int, size: int) -> bytes:
        """The file in row `start` of the table that `path` begins with.

        Raises:
            UndecodableImage: not an image, or too large a one.
            OSError: the table, or the file that it names, cannot be read.
        """
        name = path.rpartition("/")[0]
        table = self.table(name)
        column = image_column(table.schema, self._stated, str(self.root / name))
        return self.file_in(table.cell(column, start), name)

    def file_in(self, cell: Any, name: str) -> bytes:
        """The file in a cell of the table `name`, or at the path in it; errors as in `read`."""
        return image_bytes(cell, (self.root / name).parent, self._max_bytes)


class ParquetFile:
    """One .parquet file.

    Raises:
        ValueError: it is damaged, or pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        arrow = pyarrow(f"{path}: .parquet and .arrow tables are read")
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
        arrow = pyarrow(f"{path}: .parquet and .arrow tables are read")
        try:
            source = arrow.memory_map(str(path))
            self._table = arrow.ipc.open_stream(source).read_all()
        except (arrow.ArrowException, OSError) as error:
            raise ValueError(f"{path}: damaged .arrow file, or not one of save_to_disk: {error}") from error
        self.schema = self._table.schema

    def __len__(self) -> int:
        return self._table.num_rows

    def group_bytes(self, column: str) -> int:
        """0, since any row can be read alone."""
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
