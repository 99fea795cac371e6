"""Reads members of plain tars by their position."""

import os.path
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.tables.shard_names import expanded
from pipeline.storage.remote_paths import is_url, path_of, read_range

_MOST_GAP = 2**18  # bytes between two images that are read too rather than skipped
_MOST_AT_ONCE = 2**26  # bytes of one read
ImageRange = tuple[str, int, int]  # path, first byte and bytes of an image


class ShardFiles:
    """The shards below a folder; an image's path is `<shard>/<member>`.

    Args:
        path: a shard, a folder of shards, or a pattern with braces, local or a URL.
        max_bytes: of the largest image.
    """

    def __init__(self, path: Path, *, max_bytes: float) -> None:
        self.root = _root(path)
        self._max_bytes = max_bytes

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of one member, by its position in the shard that `path` begins with.

        Raises:
            UndecodableImage: it is too large for an image, or the shard is truncated.
            OSError: the shard cannot be read.
        """
        if size > self._max_bytes:
            raise UndecodableImage(f"{size} bytes, more than {self._max_bytes:.0f}, the largest image")
        return self._range(_shard(path), start, start + size)

    def read_many(self, places: list[ImageRange]) -> list[bytes]:
        """Several images, as from `read`, in order; neighbouring ones in a shard are read at once.

        Raises:
            UndecodableImage, OSError: as in `read`; the message names no image.
        """
        found = {}
        in_order = sorted(range(len(places)), key=lambda i: (_shard(places[i][0]), places[i][1]))
        for shard, numbers in groupby(in_order, key=lambda i: _shard(places[i][0])):
            for near in _near([(i, *places[i][1:]) for i in numbers]):
                if (largest := max(size for _, _, size in near)) > self._max_bytes:
                    raise UndecodableImage(f"{largest} bytes, more than {self._max_bytes:.0f}")
                first = near[0][1]
                data = memoryview(self._range(shard, first, near[-1][1] + near[-1][2]))
                for i, start, size in near:
                    found[i] = bytes(data[start - first : start - first + size])
        return [found[i] for i in range(len(places))]

    def _range(self, shard: str, start: int, end: int) -> bytes:
        data = read_range(self.root / shard, start, end)
        if len(data) != end - start:
            raise UndecodableImage(
                f"the shard ends early: expected {end - start} bytes at {start}, found {len(data)}"
            )
        return data


def _shard(path: str) -> str:
    return path[: path.index(".tar/") + len(".tar")]


def _near(members: list[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
    """(number, first byte, bytes) of members by rising position -> groups that are read at once."""
    together = members[:1]
    for member in members[1:]:
        _, start, size = member
        before = together[-1][1] + together[-1][2]
        if start - before > _MOST_GAP or start + size - together[0][1] > _MOST_AT_ONCE:
            yield together
            together = []
        together.append(member)
    yield together


def _root(path: Path) -> Path:
    """The folder to which the names of shards are relative."""
    if is_url(str(path)):
        if "{" not in str(path):
            return path.parent if path.suffix == ".tar" else path
        protocol, _, _ = str(path).partition("://")
        parents = [str(each.parent).partition("://")[2] for each in expanded(str(path))]
        return path_of(f"{protocol}://{os.path.commonpath(parents)}")
    if path.is_dir():
        return path
    return (
        path.parent if path.is_file() else Path(os.path.commonpath([p.parent for p in expanded(str(path))]))
    )
