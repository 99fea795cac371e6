"""Reading members of plain tars by their position."""

import os
from pathlib import Path

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.tables.shard_names import expanded


class ShardFiles:
    """The shards below a folder; an image's path is `<shard>/<member>`.

    Args:
        path: a shard, a folder of shards, or a pattern with braces.
        max_bytes: of the largest image.
    """

    def __init__(self, path: Path, *, max_bytes: float) -> None:
        self.root = _root(path)
        self._max_bytes = max_bytes

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of one member, by its position in the shard that `path` begins with.

        Raises:
            UndecodableImage: it is too large for an image, or the shard was cut.
            OSError: the shard cannot be read.
        """
        if size > self._max_bytes:
            raise UndecodableImage(f"{size} bytes, more than {self._max_bytes:.0f}, the largest image")
        end = path.index(".tar/") + len(".tar")
        with open(self.root / path[:end], "rb", buffering=0) as stream:
            data = os.pread(stream.fileno(), size, start)
        if len(data) != size:
            raise UndecodableImage(
                f"the shard ends early: expected {size} bytes at {start}, found {len(data)}"
            )
        return data


def _root(path: Path) -> Path:
    """The folder that the names of shards count from."""
    if path.is_dir():
        return path
    return (
        path.parent if path.is_file() else Path(os.path.commonpath([p.parent for p in expanded(str(path))]))
    )
